# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Writes the body of a plain report, from where its values stand.

Rule 1: what a body may hold is said by the catalogue. It starts empty, so what nobody names cannot be left in it (F1).
Rule 2: what is written is the text of a value that was checked byte by byte, or what Python made of values.
"""

from cpython.bytes cimport PyBytes_GET_SIZE

from collector.native.one_pass cimport Plain, has, place_of
from collector.native.scan cimport behind_whole
from collector.native.text cimport Text, add, add_byte, add_bytes, add_number, forget, nothing, taken

cpdef enum Way:
    """How a value is written."""
    AS_IT_IS, ROUNDED_UP, TO_THE_SECOND, TREATED, TREATED_IN_NETWORK, MEMBERS

cdef enum:
    MOST_REMEMBERED = 16_384


cdef class Kept:
    """A member of a body: what of a report it is made of, and how it is written.

    *begin* is its name in quotes, with the colon. A treated one is made of the values in *slots*; the first *needed* of
    them are those of which one has to be there. It is rounded up to a multiple of *step*.
    """

    cdef bytes begin
    cdef Way way
    cdef tuple slots
    cdef int first, highest, needed
    cdef long long step
    cdef object treat
    cdef tuple inner

    def __init__(self, bytes begin not None, Way way, slots, *, int needed=0, long long step=1, treat=None,
                 tuple inner not None=()):
        self.slots = tuple(slots)
        if min(self.slots, default=-1) < 0 or needed > len(self.slots) or step < 1:
            raise ValueError("found no slots or a step below 1, expected slots, at least as many as are needed")
        if (treat is None) == (way == TREATED or way == TREATED_IN_NETWORK):
            raise ValueError("found no treatment or one of what is not treated, expected one of what is treated")
        self.begin, self.way, self.first = begin, way, self.slots[0]
        self.needed, self.step, self.treat, self.inner = needed, step, treat, inner
        self.highest = highest_of(inner, max(self.slots))


def highest_of(tuple members, int highest=0):
    """The highest slot of *members* and of what is in them."""
    cdef Kept member
    for member in members:
        highest = max(highest, member.highest)
    return highest


cdef class Made:
    """What treatments made of values, remembered. Of one region: pseudonyms of another would be others."""

    cdef dict known

    def __init__(self):
        self.known = {}

    def __len__(self):
        return len(self.known)


cdef class Writer:
    """Writes bodies of these *members*, with events of those."""

    cdef tuple members, of_events
    cdef int highest

    def __init__(self, tuple members not None, tuple of_events not None):
        self.members, self.of_events = members, of_events
        self.highest = highest_of(members + of_events)

    def body(self, Plain report not None, chosen, around):
        """The body of a report with those of its events whose places are *chosen*, as JSON.

        *around* is what treatments may look at; its `made` is a `Made`, of the same region.
        """
        if self.highest >= report.reader.slots:
            raise ValueError("found a report of another reader, expected one that has all that is written")
        cdef Text text = nothing()
        cdef Plain event, served
        try:
            add_byte(&text, c"{")
            write(&text, self.members, report, report, around)
            if chosen:
                add(&text, b',"events":[', 11) if text.length > 1 else add(&text, b'"events":[', 10)
                for place in chosen:
                    event = report.happened[place]
                    add_byte(&text, c"{")
                    served = event if has(event, report.reader.network) else report
                    write(&text, self.of_events, event, served, around)
                    add(&text, b"},", 2)
                text.length -= 1
                add_byte(&text, c"]")
            add_byte(&text, c"}")
            return taken(&text)
        finally:
            forget(&text)


cdef int write(Text* text, tuple members, Plain part, Plain served, object around) except -1:
    """Write those *members* that are there, with commas between them. *served* says in which network it was."""
    cdef Kept kept
    cdef Py_ssize_t begun = text.length
    for kept in members:
        if kept.way == TREATED or kept.way == TREATED_IN_NETWORK:
            treated(text, kept, part, served, around)
            continue
        if not has(part, kept.first):
            continue
        add_bytes(text, kept.begin)
        if kept.way == AS_IT_IS:
            add(text, place_of(part, kept.first), part.spans[kept.first].length)
        elif kept.way == MEMBERS:
            add_byte(text, c"{")
            write(text, kept.inner, part, served, around)
            add_byte(text, c"}")
        elif kept.way == TO_THE_SECOND:
            add(text, place_of(part, kept.first), 20)
            add(text, b'Z"', 2)
        else:
            rounded(text, kept, part)
        add_byte(text, c",")
    if text.length > begun:
        text.length -= 1
    return 0


cdef int rounded(Text* text, Kept kept, Plain part) except -1:
    cdef long long whole
    behind_whole(place_of(part, kept.first), &whole)
    return add_number(text, (whole + kept.step - 1) // kept.step * kept.step)


cdef int treated(Text* text, Kept kept, Plain part, Plain served, object around) except -1:
    """Write what a treatment makes of values, if one that it needs is there, and a comma."""
    cdef int place
    cdef bint needed = False
    for place in range(kept.needed):
        needed |= has(part, kept.slots[place])
    if not needed:
        return 0
    cdef bytes said = values_said(kept, part, served)
    cdef dict known = (<Made?> around.made).known
    made = known.get(said)
    if made is None:
        made = kept.treat(around, said[PyBytes_GET_SIZE(kept.begin):].split(b"\0"))
        if len(known) >= MOST_REMEMBERED:
            known.clear()
        known[said] = made
    return add_bytes(text, <bytes?> made)


cdef bytes values_said(Kept kept, Plain part, Plain served):
    """The name of a member and the values it is made of, as they are written, with zero bytes between them."""
    cdef int slot
    cdef Text key = nothing()
    try:
        add_bytes(&key, kept.begin)
        for slot in kept.slots:
            add(&key, place_of(part, slot), part.spans[slot].length)
            add_byte(&key, 0)
        if kept.way == TREATED_IN_NETWORK:
            add(&key, place_of(served, served.reader.network), served.spans[served.reader.network].length)
        return taken(&key)
    finally:
        forget(&key)
