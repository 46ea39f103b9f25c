from podparts.wire.fields cimport Fields

cdef int CHUNKED, UNTIL_CLOSE
cdef int SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, TRAILER
cdef int LONGEST_SIZE, LONGEST_EXTENSION, MOST_EXTENSION, LONGEST_TRAILER

cdef class Body:
    cdef readonly long long kind, left, size
    cdef readonly bint ended, decode
    cdef readonly str reason
    cdef readonly bytes trailers
    cdef readonly list parts
    cdef int state, digits, extension
    cdef long long extensions
    cdef bytes held
    cdef list cuts

    cpdef void begin(self, long long length, bint decode)
    cpdef Py_ssize_t feed(self, bytes data, Py_ssize_t start, Fields fields) except -2
    cdef Py_ssize_t _chunked(self, bytes data, Py_ssize_t i, Py_ssize_t n, Fields fields) except -2
    cdef int _framing(self, int c, Py_ssize_t i) except -2
    cdef int _size(self, int c, Py_ssize_t i) except -2
    cdef int _extension(self, int c, Py_ssize_t i) except -2
    cdef Py_ssize_t _trailer(self, bytes data, Py_ssize_t i, Py_ssize_t n, Fields fields) except -2
    cdef int _checked_trailer(self, bytes section, Fields fields) except -2
    cpdef bytes passed(self, bytes data, Py_ssize_t start, Py_ssize_t end)
    cpdef bytes payload(self, bytes data)
    cdef int _refuse(self, str reason) except -2
