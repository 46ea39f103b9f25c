from podparts.proxy.sides cimport Collect, Downstream, Forward, Terms, Upstream

cdef int IDLE, ANSWERING, TUNNEL, LINGER, GONE, CLIENT_CLOSED

cdef class Exchange(Downstream):
    # per connection
    cdef readonly Terms terms
    cdef readonly bytes scheme
    cdef public str peer
    cdef public bytes identity
    cdef public object info
    cdef public bint trusts_peer
    cdef bytes known_host, forwarding
    # per request
    cdef public int phase, status
    cdef readonly Forward forward
    cdef readonly Collect collect
    cdef list collected
    cdef readonly Upstream up
    cdef bytes wire
    cdef public bint responded
    cdef bint replayable, retried

    cpdef void send_answer(self, object answer)
    cpdef void send_refusal(self, int status)
    cpdef void send_continue(self)
    cpdef void cut_off(self)
    cpdef Py_ssize_t start(self, bytes data, Py_ssize_t at) except -2
    cdef object _decide(self)
    cdef void _answer(self, object answer)
    cpdef Py_ssize_t more(self, bytes data, Py_ssize_t at) except -2
    cdef void _fail_body(self, Py_ssize_t end)
    cdef void _gather(self, bytes data, Py_ssize_t at, Py_ssize_t end)
    cdef void _send_on(self, Forward forward, bytes data, Py_ssize_t at, Py_ssize_t end)
    cdef void _connect(self, bint fresh)
    cdef bint _may_retry(self, Upstream up) except -1
    cdef bytes _extra(self, Forward forward)
    cpdef void fail(self, int status, str reason)
    cpdef void client_gone(self)
    cdef void _let_go(self)
    cpdef void ended(self, int status)
