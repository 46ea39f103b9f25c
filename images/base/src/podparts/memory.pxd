cdef extern from "malloc.h" nogil:
    int M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_THRESHOLD
    int mallopt(int parameter, int value)
    int malloc_trim(size_t pad)

cdef int KEPT, STEP
