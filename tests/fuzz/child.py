"""`python -m tests.fuzz.child`: one engine on one target, for so long, in a process that may crash or hang."""

from __future__ import annotations

import argparse
import importlib
import inspect
from pathlib import Path

from tests.fuzz.engines import ENGINES
from tests.fuzz.hand import Hand
from tests.fuzz.modules import MODULES
from tests.fuzz.targets import target_of


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.child", description=__doc__)
    parser.add_argument("target")
    parser.add_argument("engine", choices=list(ENGINES))
    parser.add_argument("seed", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("hand", type=Path)
    given = parser.parse_args()
    target, hand = target_of(given.target), Hand(given.hand)
    if given.engine == "atheris":
        _instrument(given.target)
    why = given.hand.with_suffix(".why")

    def attempt(case: bytes) -> None:
        hand.take(case)
        try:
            hand.done(target.check(case))
        except BaseException as error:
            hand.done(1, is_found=True)
            why.write_text(f"{type(error).__name__}: {error}"[:4_000], encoding="utf-8", errors="backslashreplace")
            raise

    for case in target.seeds():  # the first ones set up what they need
        attempt(case)
    given.hand.with_suffix(".ready").touch()
    ENGINES[given.engine](target, attempt, given.seed, given.seconds)
    return 0


def _instrument(name: str) -> None:
    """Functions and methods that are plain Python; kernels are none by now."""
    import atheris  # not to be had everywhere

    for module in map(importlib.import_module, MODULES[name]):
        for one in vars(module).values():
            if getattr(one, "__module__", None) == module.__name__:
                members = vars(one).values() if inspect.isclass(one) else (one,)
                for function in filter(inspect.isfunction, members):
                    atheris.instrument_func(function)


if __name__ == "__main__":
    raise SystemExit(main())
