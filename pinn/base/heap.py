"""Memory that was freed is kept for the next step, where the system's allocator lets one say so."""

import ctypes
import sys

# Of mallopt(3). Larger pieces go back at once, and so does what is free beyond four of them.
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
LARGEST = 2**28  # bytes
FREE = 2**30  # bytes


def keep_freed_memory() -> bool:
    """Let pieces up to 256 MiB be used again; whether the allocator takes that.

    By default the GNU C library gives each piece beyond 32 MiB back to the system as it is freed,
    which clears it again, page by page, for the next one: a quarter of the time of a step that
    makes matrices of such a size.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST) and mallopt(TRIM_THRESHOLD, FREE))
