"""A text of bytes that is written piece by piece and has the room it needs."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Free, PyMem_Realloc
from libc.string cimport memcpy

cdef enum:
    MARGIN = 1024


cdef struct Text:
    char* written
    Py_ssize_t length
    Py_ssize_t room


cdef inline Text nothing() noexcept:
    cdef Text text
    text.written, text.length, text.room = NULL, 0, 0
    return text


cdef inline int add(Text* text, const void* piece, Py_ssize_t length) except -1:
    """Write *length* bytes at the end. Raises MemoryError."""
    cdef void* moved
    if text.room - text.length < length:
        moved = PyMem_Realloc(text.written, text.length + length + MARGIN)
        if moved == NULL:
            raise MemoryError
        text.written, text.room = <char*> moved, text.length + length + MARGIN
    memcpy(text.written + text.length, piece, length)
    text.length += length
    return 0


cdef inline int add_byte(Text* text, char byte) except -1:
    return add(text, &byte, 1)


cdef inline int add_bytes(Text* text, bytes piece) except -1:
    return add(text, PyBytes_AS_STRING(piece), PyBytes_GET_SIZE(piece))


cdef inline int add_number(Text* text, long long number) except -1:
    """Write a number that is not negative."""
    cdef char digits[20]
    cdef int first = 20
    while True:
        first -= 1
        digits[first] = c"0" + number % 10
        number //= 10
        if number == 0:
            return add(text, digits + first, 20 - first)


cdef inline void forget(Text* text) noexcept:
    PyMem_Free(text.written)
    text.written = NULL


cdef inline bytes taken(Text* text):
    return PyBytes_FromStringAndSize(text.written, text.length)
