cdef int HANDSHAKE, OPEN, CLOSING, HANDED_ON

cdef class TlsProtocol:
    cdef object server, make, tcp, ssl, incoming, inner, wrapped, info
    cdef list corked
    cdef int state
    cdef Py_ssize_t received
    cdef bint reading, paused, read_ended, write_ended, half_open

    cdef void _shake(self, bytes data)
    cdef bint _start(self, bytes data) except *
    cdef void _not_tls(self, bytes data)
    cdef void _plain_http(self, bytes data)
    cdef void _established(self)
    cpdef void give_up(self, str reason, str detail)
    cdef void _failed(self, str reason, str detail)
    cdef str _peer(self)
    cdef void _deliver(self)
    cdef void _decrypt(self)
    cdef void _broken(self)
    cdef void _hand_over(self, Py_ssize_t size)
    cdef void _peer_ended(self)
    cdef void _uncork(self)
    cdef void _encrypt(self, object data)
    cdef void _notify(self)
    cdef void _send(self)
