from podparts.proxy.exchange cimport Exchange
from podparts.proxy.sides cimport Upstream

cdef int MOST_HELD, MOST_LINGERED, JOINED, UPSTREAM_FULL, SENT_AHEAD
cdef bytes CLOSE, KEEP_ALIVE, SWITCH

cdef class ClientConnection(Exchange):
    cdef object opened, _write
    cdef readonly object transport
    cdef bytes held
    cdef int pauses
    cdef bint blocked, consuming, closing, served, partial, half_closed, endless
    cdef Py_ssize_t lingered, unsent

    cdef void _consume(self, bytes data)
    cdef void _set_aside(self, bytes data, Py_ssize_t at)
    cdef void _consume_held(self)
    cdef void _next(self)
    cdef Py_ssize_t _read_head(self, bytes data, Py_ssize_t at) except -2
    cdef void _pause(self, int why)
    cdef void _resume(self, int why)
    cdef void _write_body(self, Upstream up, bytes data, Py_ssize_t start, Py_ssize_t end)
    cdef void _linger(self)
    cpdef void tick(self, double moment)
    cdef void _tick_idle(self, double quiet)
    cdef void _tick_linger(self, double moment, double quiet)
    cdef void _late(self)
    cdef void _tick_answering(self, double moment, double quiet)
    cpdef bint unfinished(self) except -1
    cpdef void drain(self)
    cpdef void abort(self)
