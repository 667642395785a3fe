"""`python -m tests.deploy.demo_run`: runs the demo as the image's build does, then a worker's kernels once more for
settings of other kinds; prints in JSON what had to be compiled, and whether the cache takes anything."""

from __future__ import annotations

import gc
import json
import resource
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numba
from numba.core.dispatcher import Dispatcher

from consumer.__main__ import main as freshrank
from consumer.kernel_cache import is_writable
from consumer.settings import Settings
from consumer.warm_up import load_kernels

OURS = ("consumer.", "producer_tools.")
OTHER_KINDS: Sequence[dict[str, Any]] = (
    {"input": {"time_format": "epoch_seconds"}},
    {"input": {"time_format": "epoch_milliseconds"}},
    {"models": {"session_knn": {"enabled": True}, "linear": {"enabled": True}}},
)


def compiled() -> list[str]:
    """Every kernel of ours that no cache had, in this process."""
    found: Sequence[Any] = [one for one in gc.get_objects() if isinstance(one, Dispatcher)]
    names = [f"{one.py_func.__module__}.{one.py_func.__name__}" for one in found if one.stats.cache_misses]
    return sorted(name for name in names if name.startswith(OURS))


def main() -> None:
    sys.argv = ["freshrank", "demo", "--seconds", "5"]
    code: object = 0
    try:
        freshrank()
    except SystemExit as end:
        code = end.code
    for settings in OTHER_KINDS:
        load_kernels(Settings.model_validate(settings), lambda: False)
    config: Any = numba.config
    cache = str(config.CACHE_DIR)
    answer = {
        "code": code or 0,
        "compiled": compiled(),
        "compiler_cpu_s": resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime,
        "cache": cache,
        "is_writable": is_writable(Path(cache)),
    }
    sys.stdout.write("\n" + json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
