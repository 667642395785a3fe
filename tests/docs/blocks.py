"""README and docs/ as text, and the commands in their blocks: lines indented by four spaces."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES: Final = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
_FENCED: Final = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_BLOCK: Final = re.compile(r"(?:^|\n\n)((?: {4}\S.*\n(?: {8,}\S.*\n)*)+)")


def commands_of(text: str) -> list[str]:
    """One a line, in their order, without the remarks behind them."""
    commands = []
    for block in _BLOCK.findall(_FENCED.sub("", text)):
        for line in block.replace("\\\n", " ").splitlines():
            commands.append(" ".join(re.sub(r"\s{2,}# .*", "", line).split()))
    return commands


def python_of(text: str) -> str:
    """The one example in Python."""
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return str(example)
