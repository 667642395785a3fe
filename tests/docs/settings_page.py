"""docs/settings.md: every setting with its default, its bounds and its meaning, from the settings' own schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from consumer.settings import Settings

PAGE: Final = Path(__file__).parents[2] / "docs" / "settings.md"
_INTRODUCTION: Final = """# Settings

Every setting with its default and its bounds. Units stand in the names: `_s` seconds, `_ms` milliseconds, `_bytes`.
Files, environment and secrets: see [README](../README.md#settings). `freshrank show-config` prints those in force.
This page is written by `python -m tests.docs` from [consumer/settings.py](../consumer/settings.py).
"""
_BOUNDS: Final = (
    ("minimum", "at least "),
    ("exclusiveMinimum", "above "),
    ("maximum", "at most "),
    ("exclusiveMaximum", "below "),
    ("minItems", "at least {} of them"),
    ("maxItems", "at most {} of them"),
)
_TEXT_TYPES: Final = {"string": "text", "integer": "whole number", "number": "number", "boolean": "yes or no"}

Schema = Mapping[str, Any]


def settings_page() -> str:
    schema = Settings.model_json_schema()
    parts = [_INTRODUCTION]
    sections = list(_sections(schema, schema, ""))
    for name, section in sections:
        rows = [_row(schema, name, key, field) for key, field in section["properties"].items()]
        rows = [row for row in rows if row]
        if rows:
            title = f"## {name}\n" if name else "## Of the whole\n"
            about = f"\n{_text(section['description'])}\n" if name and section.get("description") else ""
            parts.append(
                f"{title}{about}\n| setting | default | may be | meaning |\n|---|---|---|---|\n" + "".join(rows)
            )
    return "\n".join(parts)


def _sections(root: Schema, section: Schema, name: str) -> Iterator[tuple[str, Schema]]:
    """The section, and those inside, from the outside in."""
    yield name, section
    for key, field in section["properties"].items():
        inner = _section_of(root, field)
        if inner is not None:
            yield from _sections(root, inner, f"{name}.{key}" if name else key)


def _section_of(root: Schema, field: Schema) -> Schema | None:
    """What the field refers to, where that has keys of its own; optional ones too."""
    options = field.get("anyOf", [field])
    names = [option["$ref"].removeprefix("#/$defs/") for option in options if "$ref" in option]
    return root["$defs"][names[0]] if names else None


def _row(root: Schema, section: str, key: str, field: Schema) -> str:
    """Empty for a section that is always there: it has a table of its own."""
    if _section_of(root, field) is not None and "anyOf" not in field:
        return ""
    name = f"{section}.{key}" if section else key
    return f"| `{name}` | {_default(section, key, field)} | {_allowed(field)} | {_text(field['description'])} |\n"


def _default(section: str, key: str, field: Schema) -> str:
    if "default" in field:
        return _shown(field["default"])
    defaults: Any = Settings().model_dump(mode="json")
    for part in [*filter(None, section.split(".")), key]:
        defaults = defaults[part] if defaults and part in defaults else None
    return "required" if defaults is None else _shown(defaults)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    if (
        isinstance(value, dict)
        and value
        and all(isinstance(inner, dict) and "weight" in inner for inner in value.values())
    ):
        value = {name: inner["weight"] for name, inner in value.items()}  # in their short form
    if isinstance(value, dict):
        return "`{" + ", ".join(f"{name}: {_plain(inner)}" for name, inner in value.items()) + "}`"
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    """As YAML takes it."""
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value if isinstance(value, str) else json.dumps(value)
    return f"{value:g}" if isinstance(value, float) and abs(value) < 1e6 else str(int(value))


def _allowed(field: Schema) -> str:
    """One of several texts, or a type with its bounds."""
    one = next((option for option in field.get("anyOf", []) if option.get("type") != "null"), field)
    if "$ref" in one:
        return "see below"
    if "enum" in one:
        return ", ".join(f"`{value}`" for value in one["enum"])
    kind = one.get("type")
    if kind == "array":
        kind = f"list of {_TEXT_TYPES[one['items']['type']]}s, ascending"
    elif kind == "object":
        kind = "mapping"
    bounds = [
        text.format(_plain(one[key])) if "{}" in text else f"{text}{_plain(one[key])}"
        for key, text in _BOUNDS
        if key in one
    ]
    return ", ".join([_TEXT_TYPES.get(str(kind), str(kind)), *bounds])


def _text(description: str) -> str:
    return " ".join(description.split()).replace("|", "\\|")
