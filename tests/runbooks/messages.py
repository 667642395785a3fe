"""Every message that an operator of a worker can meet, as it stands in the code: errors that end it, and warnings and
errors that it logs. What varies is shown as `…`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grimp

from consumer.errors import BadSettings

ROOT = Path(__file__).parents[2]
ENTRY = ("consumer.app", "consumer.cli.run")
"""What `freshrank run` is, without the other commands: those end before the eyes of who typed them."""
ERRORS = {"Fatal"}
LEVELS = {"warning", "error", "exception", "critical"}


def worker_modules() -> set[str]:
    """All that a worker may run."""
    graph = grimp.build_graph("consumer")
    reached = set(ENTRY)
    for entry in ENTRY:
        reached |= graph.find_upstream_modules(entry)
    return reached


def messages() -> dict[str, str]:
    """Where each is said, by its text."""
    found: dict[str, str] = {}
    for module in sorted(worker_modules()):
        path = ROOT / f"{module.replace('.', '/')}.py"
        if not path.exists():
            continue  # a package
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and _is_told(node.func):
                for text in _texts(node.args[0]):
                    found[text] = f"{module}:{node.lineno}"
    found[BadSettings([]).args[0]] = "consumer.errors:0"
    return found


def _is_told(function: ast.expr) -> bool:
    if isinstance(function, ast.Name):
        return function.id in ERRORS
    if not isinstance(function, ast.Attribute) or function.attr not in LEVELS:
        return False
    return isinstance(function.value, ast.Name) and "log" in function.value.id


def _texts(argument: ast.expr) -> Iterator[str]:
    if isinstance(argument, ast.IfExp):
        yield from _texts(argument.body)
        yield from _texts(argument.orelse)
    elif isinstance(argument, ast.Constant):
        yield re.sub(r"%[sd]", "…", str(argument.value))
    elif isinstance(argument, ast.JoinedStr):
        yield "".join(str(p.value) if isinstance(p, ast.Constant) else "…" for p in argument.values).replace("\n", " ")
    else:
        raise ValueError(f"a message that nobody could look up: {ast.unparse(argument)}")
