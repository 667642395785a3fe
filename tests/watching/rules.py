"""The rule files, as data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
RULE_FILES = sorted((DEPLOY / "prometheus" / "rules").glob("*.yml"))
CASE_FILES = sorted((DEPLOY / "prometheus" / "tests").glob("*.yaml"))


def _rules(kind: str) -> dict[str, dict[str, Any]]:
    groups = [group for file in RULE_FILES for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return {rule[kind]: rule for group in groups for rule in group["rules"] if kind in rule}


ALERTS = _rules("alert")
RECORDED = _rules("record")
