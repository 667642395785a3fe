"""Programs that Debian's package `prometheus` brings."""

from __future__ import annotations

import os
import shutil

from tests.broker import skip_or_fail


def path_of(program: str) -> str:
    """Where it is. Without it the test is skipped, or fails on a CI machine."""
    found = shutil.which(program)
    if found is None:
        skip_or_fail(f"{program} is missing; Debian's package prometheus has it", os.environ)
    return found
