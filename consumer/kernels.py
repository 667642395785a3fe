"""`@kernel`: compiles a function with numba, cached on disk under a digest of all kernels' sources.

Numba's own cache notices a change of the function's file only, not of the functions it calls; a kernel that calls one
in another file would run old code after an upgrade. Hence a folder of its own for each state of the sources. The folder
lies under `FRESHRANK_KERNEL_CACHE`, default: the user's cache directory.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba

P = ParamSpec("P")
R = TypeVar("R")


def _sources_digest() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    digest.update(Path(__file__).read_bytes())
    package = Path(__file__).parent
    for folder in ("events", "models", "learning", "snapshots"):
        for path in sorted((package / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _cache_root() -> Path:
    named = os.environ.get("FRESHRANK_KERNEL_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "freshrank"


_config: Any = numba.config
_config.CACHE_DIR = str(_cache_root() / f"kernels-{_sources_digest()}")

_njit: Any = numba.njit  # its type knows neither `_nrt` nor what it returns
_OPTIONS: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first call, without the GIL; arithmetic errors give IEEE values instead of raising."""
    compiled: Callable[P, R] = _njit(**_OPTIONS)(function)
    return compiled


def hot_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """A `kernel` that allocates no array, nor does anything it calls: working memory is passed in.

    Numba counts references to every array of every tuple at every call; for the learning pass, with its sixty arrays,
    that was most of the time. Code that allocates nothing can be compiled without the counting.
    """
    compiled: Callable[P, R] = _njit(**_OPTIONS, _nrt=False)(function)
    return compiled


def inlined_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """A `hot_kernel` that always becomes part of its callers, for what is small or called for each record.

    An array is seven arguments of a call, so a call that takes a few of them costs more than most such functions do.
    """
    compiled: Callable[P, R] = _njit(**_OPTIONS, _nrt=False, forceinline=True)(function)
    return compiled
