from podparts.wire.body cimport Body
from podparts.wire.fields cimport Fields
from podparts.wire.http1 cimport Head

cpdef double now() noexcept

cdef class Stats:
    cdef readonly str label
    cdef public double total_seconds
    cdef public long long retried, sent
    cdef long long[6] by_class
    cdef long long[16] by_latency
    cdef double[16] bounds
    cpdef void count(self, int status, double seconds)

cdef class Forward:
    cdef readonly object pool
    cdef readonly str label
    cdef readonly bytes add, response_add, target
    cdef readonly Stats stats

cdef class Collect:
    cdef readonly object answer
    cdef readonly long long limit

cdef class Terms:
    cdef public object route, report, trusted
    cdef public Fields request_fields, response_fields
    cdef public long long head_limit, target_limit, body_limit
    cdef public double head_timeout, idle_timeout, stall_timeout, response_timeout
    cdef public double request_timeout, tunnel_timeout, linger_timeout
    cdef public bint x_forwarded, forwarded, draining
    cdef public int in_flight
    cdef public Stats own
    cdef public set exchanges

cdef class Upstream:
    # The response that is being read.
    cdef readonly Head head
    cdef readonly Body body
    # Whether the connection served an exchange before, and whether this one's response has begun: a retry may be safe.
    cdef readonly bint reused, answered

    cpdef void begin(self, Downstream down, bytes wire)
    cpdef void write(self, bytes data)
    cpdef void write_eof(self)
    cpdef void abandon(self)
    cpdef void pause_reading(self)
    cpdef void resume_reading(self)

cdef class Downstream:
    # The request that is being answered, and what its sender can take.
    cdef readonly Head head
    cdef readonly Body body
    cdef readonly bint head_only, wants_upgrade
    cdef public bint takes_chunks
    # When the exchange began and when it last moved, by `now`.
    cdef public double began, moved

    cpdef void connected(self, Upstream up)
    cpdef void unavailable(self, int status, str reason)
    cpdef void interim(self, Upstream up)
    cpdef void respond(self, Upstream up, Py_ssize_t start, Py_ssize_t end)
    cpdef void piece(self, Upstream up, bytes data, Py_ssize_t end)
    cpdef void finish(self)
    cpdef void broken(self, int status, str reason)
    cpdef void tunnel(self, Upstream up, Py_ssize_t start)
    cpdef void tunnel_write(self, bytes data)
    cpdef void tunnel_eof(self)
    cpdef void pause_reading(self)
    cpdef void resume_reading(self)
