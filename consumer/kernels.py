"""`@kernel`: compiles a function with numba, cached on disk under a digest of all kernels' sources.

Numba's own cache notices a change of the function's file only, not of the functions it calls; a kernel that calls one
in another file would run old code after an upgrade. Hence a folder of its own for each state of the sources; where it
lies, and what becomes of one that can only be read, is in `kernel_cache`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numba
from llvmlite import ir  # type: ignore[import-untyped] # ships no types
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from consumer.kernel_cache import ReadOnlyCache, cache_root, is_writable

P = ParamSpec("P")
R = TypeVar("R")

_FOLDERS = ("events", "models", "learning", "evaluation", "snapshots")


def _sources_digest() -> str:
    digest = hashlib.sha256(numba.__version__.encode())
    digest.update(Path(__file__).read_bytes())
    package = Path(__file__).parent
    paths = [path for folder in _FOLDERS for path in sorted((package / folder).rglob("*.py"))]
    others = ("foreign_memory.py", "record_columns.py", "kafka/message_columns.py", "replay/merge_order.py")
    for path in (*paths, *(package / name for name in others)):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


_cache = cache_root() / f"kernels-{_sources_digest()}"
_keeps = is_writable(_cache)
_config: Any = numba.config
_config.CACHE_DIR = str(_cache)


def is_compiled(way: str) -> bool:
    """Whether `note_compiled` was called for this way through the kernels, as their sources are now. Of a cache that
    can only be read that is taken for granted: no other process could add what is missing."""
    return not _keeps or _note_of(way).exists()


def note_compiled(way: str) -> None:
    """All kernels of this way are in the cache. One that cannot be written stays as it is."""
    with contextlib.suppress(OSError):
        _note_of(way).touch()


def _note_of(way: str) -> Path:
    # numba's index goes by where the sources lie: what another checkout compiled is of no use to this one.
    checkout = hashlib.sha256(bytes(Path(__file__).resolve().parent)).hexdigest()[:8]
    return Path(_config.CACHE_DIR) / f"{way}-{checkout}.compiled"


_njit: Any = numba.njit  # its type knows neither `_nrt` nor what it returns
_intrinsic: Any = intrinsic  # nor are these typed
_cgutils: Any = cgutils
_OPTIONS: dict[str, Any] = {"cache": _keeps, "nogil": True, "error_model": "numpy"}


def _compiled(function: Any, **options: Any) -> Any:
    dispatcher = _njit(**_OPTIONS, **options)(function)
    if not _keeps:
        dispatcher._cache = ReadOnlyCache(function)
    return dispatcher


def kernel(function: Callable[P, R]) -> Callable[P, R]:
    """Compile on first call, without the GIL; arithmetic errors give IEEE values instead of raising."""
    compiled: Callable[P, R] = _compiled(function)
    return compiled


def hot_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """A `kernel` that allocates no array, nor does anything it calls: working memory is passed in.

    Numba counts references to every array of every tuple at every call; for the learning pass, with its sixty arrays,
    that was most of the time. Code that allocates nothing can be compiled without the counting. It always becomes part
    of its callers, too: an array is seven arguments of a call.
    """
    compiled: Callable[P, R] = _compiled(function, _nrt=False, forceinline=True)
    return compiled


def called_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """A `hot_kernel` that stays a call of its own: for what is long and rarely run, so that its callers stay small and
    are compiled soon. An array is seven arguments of the call."""
    compiled: Callable[P, R] = _compiled(function, _nrt=False)
    return compiled


def fast_kernel(function: Callable[P, R]) -> Callable[P, R]:
    """A `hot_kernel` whose sums may be taken in any order, so that they can be taken several at a time: the same on one
    CPU, but not the last bit of it on another."""
    compiled: Callable[P, R] = _compiled(
        function, _nrt=False, forceinline=True, fastmath={"reassoc", "contract", "nsz"}
    )
    return compiled


@_intrinsic  # type: ignore[untyped-decorator] # see above
def _prefetch(_typing: Any, array: Any, row: Any, column: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array_type = signature.args[0]
        view = context.make_array(array_type)(context, builder, arguments[0])
        indices = [context.cast(builder, arguments[k], signature.args[k], types.intp) for k in (1, 2)]
        address = _cgutils.get_item_pointer(
            context, builder, array_type, view, indices[: array_type.ndim], wraparound=False
        )
        pointer, integer = _cgutils.voidptr_t, ir.IntType(32)
        hint = _cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(ir.VoidType(), [pointer, integer, integer, integer]), "llvm.prefetch.p0"
        )
        read, keep, data = (integer(k) for k in (0, 3, 1))
        builder.call(hint, [builder.bitcast(address, pointer), read, keep, data])
        return context.get_dummy_value()

    return types.void(array, row, column), generate


@hot_kernel
def prefetch(array: NDArray[Any], row: int, column: int) -> None:
    """In a kernel: begin to bring the cache line of array[row, column] (of a vector: array[row]) near. Never faults."""
    _prefetch(array, row, column)
