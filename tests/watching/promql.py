"""Which metrics a query names."""

from __future__ import annotations

import re

from consumer.telemetry.catalogue import CATALOGUE, PROCESS_METRICS

OF_PROMETHEUS = {"up"}
"""What Prometheus itself says about a target."""
_KEYWORDS = {"and", "or", "unless", "bool", "offset", "by", "on", "ignoring", "group_left"}
_NOT_NAMES = (
    re.compile(r'"[^"]*"'),
    re.compile(r"\{[^}]*\}"),
    re.compile(r"\[[^\]]*\]"),
    re.compile(r"\b(?:by|on|ignoring|group_left)\s*\([^)]*\)"),
    re.compile(r"\boffset\s+\w+"),
    re.compile(r"\b[a-zA-Z_]\w*\s*(?=\()"),  # functions
    re.compile(r"\b\d[\w.]*"),
)


def metrics_in(query: str) -> set[str]:
    """Every series name in it, as it stands there."""
    for pattern in _NOT_NAMES:
        query = pattern.sub(" ", query)
    return set(re.findall(r"[a-zA-Z_:][\w:]*", query)) - _KEYWORDS


def exposed() -> set[str]:
    """Every series name that a scrape of a worker can have."""
    names = set(PROCESS_METRICS)
    for metric in CATALOGUE:
        names |= {f"{metric.name}_{part}" for part in ("bucket", "sum", "count")} if metric.buckets else {metric.name}
    return names
