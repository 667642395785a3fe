"""What a check has found: how bad it is, the values seen, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Severity(Enum):
    OK = "ok"
    WARNING = "warning"
    """A worker runs, but something is weaker, slower or stranger than it should be."""
    PROBLEM = "problem"
    """A worker would not start, would stop, or would learn or publish what is wrong."""


@dataclass(frozen=True, slots=True)
class Finding:
    """`saw` has the values, `advice` what to do about them; `values` are the same for machines."""

    severity: Severity
    saw: str
    advice: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Checked:
    """A finding, and the check that has it."""

    check: str
    finding: Finding


def ok(saw: str, **values: Any) -> Finding:
    return Finding(Severity.OK, saw, values=values)


def warning(saw: str, advice: str, **values: Any) -> Finding:
    return Finding(Severity.WARNING, saw, advice, values)


def problem(saw: str, advice: str, **values: Any) -> Finding:
    return Finding(Severity.PROBLEM, saw, advice, values)
