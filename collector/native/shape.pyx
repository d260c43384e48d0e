# cython: language_level=3, boundscheck=False, wraparound=False
"""What an object of a report may hold: names, and what their values have to be."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport strncmp

from collector.native.scan cimport Place, behind_whole, closing_quote

cdef enum:
    MOST_REMEMBERED = 16_384
    LONGEST_REMEMBERED = 256


cdef class Member:
    """A name that an object may have, and what its value must be.

    *slot* is where the value's place is kept. Bounds are those of the number, or of the length of a text, quotes not
    counted. *allowed* has a byte for each character, 1 for those a text may consist of. *valid* says of a value, as it
    is written, whether it is allowed; if it is, that is remembered. *inner* are the members of an object or of each
    object of a list.
    """

    def __init__(self, bytes name not None, Kind kind, int slot, double low=0, double high=0, *,
                 bytes allowed not None=b"", valid=None, Shape inner=None):
        if slot < 0 or (inner is None) == (kind == OBJECT or kind == LIST) or (valid is None) == (kind == REMEMBERED):
            raise ValueError("found no slot or not what its kind takes, expected a slot, and members or a check")
        # A quote ends a text, and the zero byte a payload: whatever allowed them would read on.
        if kind == CHARACTERS and (len(allowed) != 256 or allowed[0] or allowed[ord('"')]):
            raise ValueError("found no table, or one that goes on behind the end, expected a byte for each character")
        self.name, self.kind, self.slot, self.low, self.high = name, kind, slot, low, high
        self.allowed, self.valid, self.inner = allowed, valid, inner
        self.remembered = set()

    cdef Place behind_characters(self, Place at) noexcept:
        """Behind a text of allowed characters, or NULL."""
        cdef Place end = at + 1
        cdef const char* allowed = PyBytes_AS_STRING(self.allowed)
        if at[0] != c'"':
            return NULL
        while allowed[end[0]]:
            end += 1
        return end + 1 if end[0] == c'"' and self.low <= end - at - 1 <= self.high else NULL

    cdef Place behind_remembered(self, Place at) except? NULL:
        """Behind a text or a whole number that is valid, or NULL."""
        cdef Place end
        cdef long long whole
        cdef bytes said
        if at[0] == c'"':
            end = closing_quote(at + 1)
            if end != NULL:
                end += 1
        else:
            end = behind_whole(at, &whole)
        if end == NULL or end - at > LONGEST_REMEMBERED:
            return NULL
        said = PyBytes_FromStringAndSize(<const char*> at, end - at)
        if said not in self.remembered:
            if not self.valid(said):
                return NULL
            if len(self.remembered) >= MOST_REMEMBERED:
                self.remembered.clear()
            self.remembered.add(said)
        return end


cdef class Shape:
    """The names that an object may have. Those in the slots *required* have to be there."""

    def __init__(self, members, required=()):
        cdef Member member
        self.members, self.required = list(members), tuple(required)
        if min(self.required, default=0) < 0:
            raise ValueError("found a slot below 0, expected slots")
        self.highest = max(self.required, default=0)
        for member in self.members:
            self.highest = max(self.highest, member.slot, 0 if member.inner is None else member.inner.highest)
        self.places = {(<Member> member).name: place for place, member in enumerate(self.members)}

    cdef Member find(self, Place name, Py_ssize_t* length, Py_ssize_t* expected):
        """The member of the name that begins at *name*, and its length; None if there is no such member.

        It is looked for at *expected* first, which becomes the place after it: routers keep to an order.
        """
        cdef Member member
        cdef Place end
        cdef Py_ssize_t place = expected[0]
        if place < len(self.members):
            member = <Member> self.members[place]
            length[0] = PyBytes_GET_SIZE(member.name)
            if not strncmp(PyBytes_AS_STRING(member.name), <const char*> name, length[0]) and name[length[0]] == c'"':
                expected[0] = place + 1
                return member
        end = closing_quote(name)
        if end == NULL:
            return None
        length[0] = end - name
        found = self.places.get(name[:length[0]])
        if found is None:
            return None
        expected[0] = <Py_ssize_t> found + 1
        return <Member> self.members[<Py_ssize_t> found]
