cdef int TOKEN, TARGET, VALUE, AUTHORITY, LONGEST_NAME
cdef int PLAIN, CUT, CONNECTION, LENGTH, ENCODING, HOST, UPGRADE, EXPECT, FORWARDED

cdef bytes CLASSES, FOLDED

cdef class Fields:
    cdef readonly bytes slots, following, meanings
    cdef readonly list names
    cpdef int meaning(self, const unsigned char* data, Py_ssize_t start, Py_ssize_t length) noexcept
