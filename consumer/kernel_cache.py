"""Where compiled kernels are kept; a folder that can only be read, such as an image's, gives what it has."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from numba.core.caching import CompileResultCacheImpl, FunctionCache, UserProvidedCacheLocator


def cache_root() -> Path:
    """`FRESHRANK_KERNEL_CACHE`, by default a folder in the user's cache directory."""
    named = os.environ.get("FRESHRANK_KERNEL_CACHE")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "freshrank"


def is_writable(folder: Path) -> bool:
    """Whether files can be made there; makes the folder itself where it can."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


class _AnyFolder(UserProvidedCacheLocator):
    def ensure_cache_path(self) -> None:
        """Numba refuses a folder that it cannot write to."""


class _Implementation(CompileResultCacheImpl):
    _locator_classes: list[type[object]] = [_AnyFolder]  # noqa: RUF012 - numba's own declaration


class ReadOnlyCache(FunctionCache):
    """Of one function: what it lacks is compiled for this process alone."""

    _impl_class = _Implementation

    def __init__(self, function: Any) -> None:
        super().__init__(function)  # type: ignore[no-untyped-call] # numba's

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keeps nothing."""
