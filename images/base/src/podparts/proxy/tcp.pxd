cdef class TcpSide:
    cdef readonly object transport
    cdef object _write
    cdef public TcpSide other
    cdef readonly double moved
    cdef readonly long long received, sent
    cdef bytes early
    cdef bint ended

    cdef void _join(self, TcpSide other)
    cdef void _part(self, object exc)

cdef class TcpServer(TcpSide):
    cdef bytes greeting

cdef class TcpClient(TcpSide):
    cdef object opened_by, closed_by
    cdef public str peer, name
    cdef public object info, reason

    cpdef double idle_since(self)
    cpdef void end(self, str reason)
