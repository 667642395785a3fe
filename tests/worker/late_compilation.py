"""`python -m tests.worker.late_compilation [MEMBER]`: the kernels that a worker compiles after its warm-up, in JSON. A
member that is named is on."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Sequence
from typing import Any

from numba.core.dispatcher import Dispatcher

from consumer.settings import Models
from consumer.warm_up import compile_kernels
from tests.worker.test_gate import learned_world, model, turns, walks
from tests.worker.world import World, event


def compiled() -> set[str]:
    """Every kernel of ours with each signature that it is compiled for, in this process."""
    kernels: Sequence[Any] = [found for found in gc.get_objects() if isinstance(found, Dispatcher)]
    return {
        f"{kernel.py_func.__module__}.{kernel.py_func.__name__}{signature}"
        for kernel in kernels
        if kernel.py_func.__module__.startswith("consumer.")
        for signature in kernel.signatures
    }


def main(*members: str) -> None:
    models: dict[str, Any] = {"item_to_item": {"neighbours": 8}}
    models |= {member: {"enabled": True, "examples_per_step": 8, "queries_per_thousand": 1_000} for member in members}
    chosen = model().model_copy(update={"models": Models.model_validate(models)})
    compile_kernels(chosen)
    before = compiled()
    beginner = World(chosen)
    beginner.produce([event(0, "user-0", "the only item", at_s=0.0)])
    beginner.live()
    world = learned_world(chosen)
    # So many items that rows are evicted and recycled.
    world.produce([event(1_000 + n, f"user-{n % 5}", f"new-{n}", at_s=31_000.0 + n) for n in range(400)])
    world.live()
    world.produce(walks(50, start=2_000))
    world.live(should_stop=turns())
    late = sorted(compiled() - before)
    sys.stdout.write(json.dumps(late) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
