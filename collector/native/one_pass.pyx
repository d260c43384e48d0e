# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""Reads a plain report in one pass over its bytes: where each value stands, and that it is one that may stand there.

Rule 1: what a report may hold is said by shapes, which are made from the catalogue. Nothing here knows a field.
Rule 2: a report is plain if each key is in its shape and stands once, and each value is within its bounds and written in
        its plainest form. Nothing is refused here: of what is not plain, `read` returns None.
Rule 3: a key that is in no shape, and a value that is not plain, are passed over. Nothing of them is read. They are told, and
        somebody else says whether the report is plain without them.
Rule 4: lists are made by `append`. In a list comprehension as Cython 3.3 compiles it, an item for which there is no
        memory is forgotten twice, which ends the process.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.unicode cimport PyUnicode_DecodeASCII

from collector.native.scan cimport (
    Place, behind_anything, behind_blanks, behind_number, behind_time, behind_whole, behind_word, closing_quote,
)
from collector.native.shape cimport BOOLEAN, CHARACTERS, LIST, NUMBER, OBJECT, TIME, TRUE, WHOLE, Kind, Member, Shape

cdef enum:
    MOST_OTHERS = 64

cdef list NO_EVENTS = []


cdef class Plain:
    """An object with what is in it: a report, or one of its events.

    *others* are the members that were passed over, each behind its object's shape: its name, what stands there, how deep
    that nests, and whether the name is in the shape. *removed* is what the reader was told of them.
    """

    def __cinit__(self, Reader reader not None, bytes payload not None):
        self.spans = <Span*> PyMem_Calloc(reader.slots, sizeof(Span))
        if self.spans == NULL:
            raise MemoryError
        self.reader, self.payload, self.happened, self.removed = reader, payload, NO_EVENTS, ()

    def __dealloc__(self):
        PyMem_Free(self.spans)

    cdef str text(self, int slot):
        if not has(self, slot):
            return None
        return PyUnicode_DecodeASCII(<const char*> place_of(self, slot) + 1, self.spans[slot].length - 2, NULL)

    @property
    def said(self):
        """The texts in the slots that the reader was told of, without quotes; None for one that is not there."""
        found = []
        for slot in self.reader.told:
            found.append(self.text(slot))
        return tuple(found)

    @property
    def events(self):
        """Of each event, when it was and in which network, None if it does not say."""
        cdef Plain event
        found = []
        for event in self.happened:
            found.append((event.time, event.text(self.reader.network)))
        return found

    @property
    def beside(self):
        """Of each object in which members were passed over its shape, the names of the rest, and those members."""
        by_shape = {}
        for shape, *other in self.others or ():
            by_shape.setdefault(shape, []).append(tuple(other))
        found = []
        for shape, others in by_shape.items():
            found.append((shape, names_in(shape, self), others))
        return found


cdef class Reader:
    """Reads reports of one shape, whose slots are below *slots*.

    *told* are those of texts that decide on a report, *network* is that of the serving network. *left_out* is asked
    about a report in which something was passed over: what is to be told of that, or None if the report is not plain.
    """

    def __init__(self, Shape shape not None, int slots, told, int network, left_out=lambda _: None):
        self.shape, self.slots, self.told, self.network, self.left_out = shape, slots, tuple(told), network, left_out
        if min(network, *self.told) < 0 or max(shape.highest, network, *self.told) >= slots:
            raise ValueError("found a slot that is not there, expected slots from 0 on and more of them")

    def read(self, bytes payload not None):
        """The report that *payload* plainly is, or None."""
        cdef Plain report = Plain(self, payload)
        cdef Place begin = <Place> PyBytes_AS_STRING(payload)
        cdef Place at = members(behind_blanks(begin), self.shape, report)
        if at == NULL or behind_blanks(at) - begin != PyBytes_GET_SIZE(payload):
            return None
        if report.others is not None:
            report.removed = self.left_out(report)
            if report.removed is None:
                return None
        return report


cdef Place members(Place at, Shape shape, Plain part) except? NULL:
    """Behind an object of this shape, or NULL."""
    cdef Member member
    cdef Py_ssize_t length = 0, expected = 0
    if at[0] != c"{":
        return NULL
    at = behind_blanks(at + 1)
    if at[0] == c"}":
        return complete(at + 1, shape, part)
    while at[0] == c'"':
        member = shape.find(at + 1, &length, &expected)
        if member is None:
            at = other_member(at + 1, shape, part)
        else:
            at = behind_blanks(at + length + 2)
            at = one_member(behind_blanks(at + 1), shape, member, part) if at[0] == c":" else NULL
        if at == NULL:
            return NULL
        at = behind_blanks(at)
        if at[0] == c"}":
            return complete(at + 1, shape, part)
        if at[0] != c",":
            return NULL
        at = behind_blanks(at + 1)
    return NULL


cdef Place one_member(Place at, Shape shape, Member member, Plain part) except? NULL:
    """Behind the value of a member that was not there yet, or NULL. One that is not plain is passed over."""
    cdef Span* span = part.spans + member.slot
    if span.length:
        return NULL
    span.start = <int> (at - <Place> PyBytes_AS_STRING(part.payload))
    cdef Place end
    if member.kind == OBJECT:
        end = members(at, member.inner, part)
    elif member.kind == LIST:
        end = events_of(at, member, part)
    else:
        end = value(at, member, part)
        if end == NULL:
            return passed_over(at, shape, member.name, part, True)
    span.length = <int> (end - at) if end != NULL else 0
    return end


cdef Place other_member(Place name, Shape shape, Plain part) except? NULL:
    """Behind a key that is in no shape and whatever stands there, or NULL."""
    cdef Place behind = closing_quote(name), at
    if behind == NULL:
        return NULL
    at = behind_blanks(behind + 1)
    if at[0] != c":":
        return NULL
    return passed_over(behind_blanks(at + 1), shape, name[:behind - name], part, False)


cdef Place passed_over(Place at, Shape shape, bytes name, Plain part, bint is_known) except? NULL:
    """Behind whatever stands there, which is told, or NULL. In an event nothing may be passed over."""
    cdef int levels
    if part.is_event:
        return NULL
    if part.others is None:
        part.others = []
    if len(part.others) == MOST_OTHERS:
        return NULL
    cdef Place end = behind_anything(at, &levels)
    if end != NULL:
        part.others.append((shape, name, at[:end - at], levels, is_known))
    return end


cdef list names_in(Shape shape, Plain part):
    """The names of those members of a shape that are there."""
    cdef Member member
    found = []
    for member in shape.members:
        if has(part, member.slot):
            found.append(member.name)
    return found


cdef Place events_of(Place at, Member member, Plain report) except? NULL:
    """Behind a list of at most as many events as its bounds say, each of which tells its time, or NULL."""
    cdef Plain event
    if at[0] != c"[":
        return NULL
    at = behind_blanks(at + 1)
    if at[0] == c"]":
        return at + 1
    report.happened = []
    while len(report.happened) < member.high:
        event = Plain(report.reader, report.payload)
        event.is_event = True
        at = members(at, member.inner, event)
        if at == NULL:
            return NULL
        report.happened.append(event)
        at = behind_blanks(at)
        if at[0] == c"]":
            return at + 1
        if at[0] != c",":
            return NULL
        at = behind_blanks(at + 1)
    return NULL


cdef Place complete(Place at, Shape shape, Plain part) except? NULL:
    """*at*, or NULL if something is not there that has to be."""
    cdef int slot
    for slot in shape.required:
        if not has(part, slot):
            return NULL
    return at


cdef Place value(Place at, Member member, Plain part) except? NULL:
    """Behind a value that its member allows, or NULL."""
    cdef Kind kind = member.kind
    cdef long long whole
    cdef double number
    cdef Place end
    if kind == WHOLE:
        end = behind_whole(at, &whole)
        return end if end != NULL and member.low <= whole <= member.high else NULL
    if kind == NUMBER:
        end = behind_number(at, &number)
        return end if end != NULL and member.low <= number <= member.high else NULL
    if kind == TRUE:
        end = behind_word(at, b"true")
        part.flagged = end != NULL
        return end
    if kind == BOOLEAN:
        end = behind_word(at, b"true")
        return end if end != NULL else behind_word(at, b"false")
    if kind == TIME:
        return behind_time(at, &part.time)
    if kind == CHARACTERS:
        return member.behind_characters(at)
    return member.behind_remembered(at)
