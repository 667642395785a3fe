"""docs/settings.md is what the settings themselves say."""

from __future__ import annotations

import pytest

from consumer.settings import Settings
from consumer.settings_schema import dotted
from tests.docs.settings_page import PAGE, settings_page


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == settings_page(), "write it anew: python -m tests.docs"


def test_defaults_bounds_and_choices_are_told() -> None:
    page = settings_page()
    for row in (
        "| `model` | `default` | text | ",
        "| `input.time_format` | `rfc3339` | `rfc3339`, `epoch_seconds`, `epoch_milliseconds` | ",
        "| `input.event_types` | `{view: 1, cart: 4, purchase: 10, remove_from_cart: -2}` | mapping | ",
        "| `kafka.session_timeout_s` | `6` | number, at least 6, at most 60 | ",
        "| `kafka.sasl.password` | required | text | ",
        "| `publish.tolerance` | `0.02` | number, above 0, at most 0.5 | ",
        "| `models.popularity.half_lives_s` | `[3600, 86400, 604800]` | list of numbers, ascending, ",
    ):
        assert row in page


@pytest.mark.parametrize(
    "key", [("catalogue", "max_items"), ("kafka", "tls", "ca_file"), ("publish", "gate", "enabled"), ("model",)]
)
def test_every_depth_has_its_settings(key: tuple[str, ...]) -> None:
    assert f"| `{dotted(key)}` |" in settings_page()


def test_every_setting_says_what_it_means() -> None:
    schema = Settings.model_json_schema()
    silent = [
        f"{name}.{key}"
        for name, section in {"Settings": schema, **schema["$defs"]}.items()
        for key, field in section["properties"].items()
        if not field.get("description") and "$ref" not in field
    ]
    assert silent == []
