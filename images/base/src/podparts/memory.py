"""What glibc's malloc is told about a proxy. Compiled by Cython; uncompiled it does nothing.

A read of the event loop is a bytes object of up to 256 KiB. By default malloc gives the top of the heap back to the
kernel when such an object is freed and asks for it again for the next: two system calls and 64 page faults a read, 28 %
of the CPU of a bulk transfer (measured with strace; mallopt(3)). With these bounds a few MiB stay instead.
"""

import cython

if cython.compiled:
    from cython.cimports.podparts.memory import M_MMAP_THRESHOLD, M_TOP_PAD, M_TRIM_THRESHOLD, malloc_trim, mallopt

KEPT = 4 << 20  # bytes of free heap that are not given back
STEP = 1 << 20  # bytes by which the heap grows, and the size from which memory is mapped apart from it


def tune() -> None:
    """Keep a few MiB of heap for the next read. Once per process, before traffic."""
    if cython.compiled:
        mallopt(M_TRIM_THRESHOLD, KEPT)
        mallopt(M_TOP_PAD, STEP)
        mallopt(M_MMAP_THRESHOLD, STEP)


def trim() -> None:
    """Give back what starting left behind (imports: about 0.5 MB)."""
    if cython.compiled:
        malloc_trim(0)
