"""Files of settings."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def yaml_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes the text into a new file, `1.yaml`, then `2.yaml` ..."""
    numbers = itertools.count(1)

    def write(text: str) -> Path:
        file = tmp_path / f"{next(numbers)}.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write
