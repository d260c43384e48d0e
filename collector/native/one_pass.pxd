"""What was read of a report, for what writes its body."""

from cpython.bytes cimport PyBytes_AS_STRING

from collector.native.scan cimport Place
from collector.native.shape cimport Shape


cdef struct Span:
    int start
    int length


cdef class Reader:
    cdef Shape shape
    cdef int slots, network
    cdef tuple told
    cdef object left_out


cdef class Plain:
    cdef Reader reader
    cdef bytes payload
    cdef Span* spans
    cdef readonly long long time
    cdef readonly bint flagged
    cdef list happened
    cdef readonly list others
    cdef readonly tuple removed
    cdef bint is_event

    cdef str text(self, int slot)


cdef inline bint has(Plain part, int slot):
    return part.spans[slot].length != 0


cdef inline Place place_of(Plain part, int slot):
    return <Place> PyBytes_AS_STRING(part.payload) + part.spans[slot].start
