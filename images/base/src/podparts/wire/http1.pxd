from podparts.wire.fields cimport Fields

cdef int INCOMPLETE, COMPLETE, CHUNKED, NO_LENGTH, MOST_FIELDS, LONGEST_METHOD, LONGEST_LENGTH, MOST_CUTS

cdef class Head:
    cdef readonly Py_ssize_t head_limit, target_limit
    cdef readonly bytes data
    cdef readonly str reason
    # offsets in data
    cdef readonly Py_ssize_t start, method_end, target_start, target_end, line_end, end
    cdef readonly Py_ssize_t host_start, host_end, upgrade_start, upgrade_end
    # what the head says
    cdef readonly int minor, status, forwarded_fields
    cdef readonly long long length
    cdef readonly bint close, keep_alive, upgrade, expects, encoded, absolute
    cdef bint nominated
    # ranges of data that are not passed on: cuts[2k] to cuts[2k + 1]
    cdef int cut_count
    cdef Py_ssize_t[64] cuts

    cdef void _clear(self, Py_ssize_t start)
    cpdef int request(self, bytes data, Py_ssize_t start, Fields fields) except -1
    cdef int _request_line(self, const unsigned char* p, Py_ssize_t i, Py_ssize_t n) except -1
    cdef int _version(self, const unsigned char* p, Py_ssize_t i, Py_ssize_t n) except -1
    cpdef int response(self, bytes data, Py_ssize_t start, Fields fields) except -1
    cdef int _status_line(self, const unsigned char* p, Py_ssize_t i, Py_ssize_t n) except -1
    cdef int _fields(self, const unsigned char* p, Py_ssize_t n, Fields fields) except -1
    cdef int _meaningful(self, const unsigned char* p, int meaning, Py_ssize_t name, Py_ssize_t value, Py_ssize_t line_end) except -1
    cdef int _content_length(self, const unsigned char* p, Py_ssize_t value, Py_ssize_t end) except -1
    cdef void _connection(self, const unsigned char* p, Py_ssize_t value, Py_ssize_t end)
    cdef int _cut(self, Py_ssize_t start, Py_ssize_t end) except -1
    cdef int _check_request(self, const unsigned char* p) except -1
    cdef int _other_target(self) except -1
    cdef int _cut_nominated(self) except -1
    cdef int _refuse(self, int status, str reason) except -1
    cpdef bytes forwarded(self, bytes line, bytes extra, Py_ssize_t body_start, Py_ssize_t body_end)
