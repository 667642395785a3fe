"""README.md says what there is: a new metric, outcome, section or command has to be in it."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

from consumer.messages import Outcome
from consumer.settings import Settings
from consumer.telemetry.catalogue import CATALOGUE

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", [metric.name.removeprefix("freshrank_") for metric in CATALOGUE])
def test_every_metric_is_in_the_table(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", [outcome.name.lower() for outcome in Outcome])
def test_every_outcome_is_in_the_table(name: str) -> None:
    assert f"`{name}`" in README


@pytest.mark.parametrize("name", list(Settings.model_fields))
def test_every_section_of_the_settings_is_in_the_table(name: str) -> None:
    assert f"`{name}`" in README


def test_the_example_imports_what_there_is() -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    imports = [node for node in ast.walk(ast.parse(example)) if isinstance(node, ast.ImportFrom)]
    assert imports
    for node in imports:
        module = importlib.import_module(node.module or "")
        assert all(hasattr(module, alias.name) for alias in node.names)


def test_every_link_leads_somewhere() -> None:
    files = re.findall(r"\]\(([^)#]+)\)", README)
    assert files
    assert [file for file in files if not (Path(__file__).parents[2] / file).exists()] == []
