from podparts.proxy.sides cimport Downstream, Terms, Upstream

cdef int IDLE, AWAITING_HEAD, READING_BODY, TUNNEL, GONE

cdef class UpstreamConnection(Upstream):
    cdef readonly Pool pool
    cdef readonly object address
    cdef Terms terms
    cdef readonly int phase
    cdef bytes held
    cdef Downstream down
    cdef object transport, _write
    # The server takes no more for now; the client takes no more for now.
    cdef bint full, paused
    cdef public double parked
    cdef bint server_ended, client_ended

    cpdef void close(self)
    cdef void _leave(self)
    cdef void _read_head(self, bytes data, Py_ssize_t start)
    cdef void _begin_body(self, Downstream down, bytes data)
    cdef void _read_body(self, bytes data)
    cdef void _finish(self, Downstream down, bint clean)
    cdef void _switch(self, Downstream down)
    cdef void _fail(self, str reason)

cdef class Pool:
    cdef readonly str name
    cdef public bytes host
    cdef readonly Terms terms
    cdef readonly object dial, waiting
    cdef readonly list idle
    cdef public int limit, queue
    cdef readonly int open, opening
    cdef readonly bint closed
    cdef readonly long long opened_total, failed_total, reused_total, refused_total

    cpdef UpstreamConnection acquire(self, Downstream down, bint fresh)
    cpdef void forget(self, Downstream down)
    cpdef void release(self, UpstreamConnection up)
    cpdef void opened(self, UpstreamConnection up)
    cpdef void dial_failed(self, int status, str reason)
    cpdef void lost(self, UpstreamConnection up)
    cdef void _open_more(self)
