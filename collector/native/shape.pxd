"""What an object of a report may hold, for what reads it."""

from collector.native.scan cimport Place

cpdef enum Kind:
    BOOLEAN, TRUE, WHOLE, NUMBER, CHARACTERS, REMEMBERED, TIME, OBJECT, LIST


cdef class Member:
    cdef readonly bytes name
    cdef Kind kind
    cdef int slot
    cdef double low, high
    cdef bytes allowed
    cdef object valid
    cdef set remembered
    cdef Shape inner

    cdef Place behind_characters(self, Place at) noexcept
    cdef Place behind_remembered(self, Place at) except? NULL


cdef class Shape:
    cdef list members
    cdef dict places
    cdef tuple required
    cdef int highest

    cdef Member find(self, Place name, Py_ssize_t* length, Py_ssize_t* expected)
