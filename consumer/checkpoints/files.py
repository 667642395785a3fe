"""Files of a directory that others may have written to: looked at before they are read.

A pipe or a device behind a name would never end, and a file with holes is as large as it says and costs nothing.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 1 << 26
"""Of a file that is read as a whole: contents with their notes, requests."""


class NoSmallFile(OSError):
    """It isn't a regular file, or too large a one."""


def size_of(path: Path) -> int:
    """Of a regular file that is no link. Raises OSError."""
    status = path.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise NoSmallFile(errno.EINVAL, "it is no regular file", str(path))
    return status.st_size


def read_small(path: Path) -> bytes:
    """All of it. Raises OSError."""
    n_bytes = size_of(path)
    if n_bytes > MAX_BYTES:
        raise NoSmallFile(errno.EFBIG, f"it has {n_bytes} bytes, more than {MAX_BYTES}", str(path))
    return path.read_bytes()


def memory_bytes() -> int:
    """Of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
