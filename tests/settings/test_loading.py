"""Which source wins, and how values are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.settings import EventType, Settings
from consumer.settings_loading import load

WriteFile = Callable[[str], Path]


def from_environment(**variables: str) -> Settings:
    return load([], {f"FRESHRANK__{name}": value for name, value in variables.items()})


def test_without_sources_the_defaults_are_in_force() -> None:
    assert load([], {"HOME": "/root", "FRESHRANK_KERNEL_CACHE": "/tmp"}) == Settings()


def test_a_later_file_wins_key_by_key(yaml_file: WriteFile) -> None:
    first = yaml_file("input: {topic: first, lateness_s: 60}\nbatch: {max_events: 5}")
    second = yaml_file("input: {topic: second}")
    settings = load([first, second], {})
    assert (settings.input.topic, settings.input.lateness_s, settings.batch.max_events) == ("second", 60.0, 5)


def test_the_environment_wins_over_files(yaml_file: WriteFile) -> None:
    file = yaml_file("input: {topic: from-file, lateness_s: 60}")
    settings = load([file], {"FRESHRANK__INPUT__TOPIC": "from-environment"})
    assert (settings.input.topic, settings.input.lateness_s) == ("from-environment", 60.0)


@pytest.mark.parametrize("name", ["FRESHRANK__BATCH__MAX_EVENTS", "FRESHRANK__batch__max_events"])
def test_keys_in_the_environment_have_no_case(name: str) -> None:
    assert load([], {name: "7"}).batch.max_events == 7


def test_a_variable_may_hold_a_list_or_a_section() -> None:
    settings = from_environment(MODELS__POPULARITY__HALF_LIVES_S="[60, 120]", BATCH="{max_events: 7, max_wait_s: 1}")
    assert settings.models.popularity.half_lives_s == (60.0, 120.0)
    assert (settings.batch.max_events, settings.batch.max_wait_s) == (7, 1.0)


@pytest.mark.parametrize("text", ["2024", "yes", "1e3", "2024-01-01", "null-topic"])
def test_a_text_setting_is_taken_as_it_stands_in_the_environment(text: str) -> None:
    assert from_environment(INPUT__TOPIC=text).input.topic == text


def test_null_in_the_environment_takes_an_optional_setting_back(yaml_file: WriteFile) -> None:
    file = yaml_file("input: {default_event_type: view}\nkafka: {sasl: {username: u, password: p}}")
    settings = load([file], {"FRESHRANK__INPUT__DEFAULT_EVENT_TYPE": "null", "FRESHRANK__KAFKA__SASL": "null"})
    assert settings.input.default_event_type is None
    assert settings.kafka.sasl is None


@pytest.mark.parametrize("text", ["", "# nothing\n", "input:\n", "input: {}\n", "kafka: {consumer: }\n"])
def test_a_section_without_lines_says_nothing(yaml_file: WriteFile, text: str) -> None:
    assert load([yaml_file(text)], {}) == Settings()


def test_listed_event_types_are_the_only_ones(yaml_file: WriteFile) -> None:
    settings = load([yaml_file("input: {event_types: {buy: 10}}")], {})
    assert settings.input.event_types == {"buy": EventType(weight=10, history=True)}


def test_event_types_of_several_files_are_merged(yaml_file: WriteFile) -> None:
    files = [yaml_file("input: {event_types: {Buy: 10, pv: 1}}"), yaml_file("input: {event_types: {pv: 2}}")]
    settings = load(files, {"FRESHRANK__INPUT__EVENT_TYPES__BUY": "{weight: 20, history: false}"})
    assert settings.input.event_types == {"Buy": EventType(weight=20, history=False), "pv": EventType(weight=2)}


def test_a_variable_for_one_event_type_leaves_the_default_ones_alone() -> None:
    settings = from_environment(INPUT__EVENT_TYPES__VIEW="2")
    assert settings.input.event_types == Settings().input.event_types | {"view": EventType(weight=2)}


def test_a_variable_may_change_one_side_of_an_event_type() -> None:
    view = from_environment(INPUT__EVENT_TYPES__VIEW__HISTORY="false").input.event_types["view"]
    assert view == EventType(weight=1, history=False)


def test_client_properties_pass_through(yaml_file: WriteFile) -> None:
    file = yaml_file("kafka: {consumer: {fetch.min.bytes: 1, check.crcs: true}}")
    assert load([file], {}).kafka.consumer == {"fetch.min.bytes": 1, "check.crcs": True}


@pytest.mark.parametrize("password", ["0123", "yes", "null", "a: b", "{", ""])
def test_a_password_in_the_environment_is_never_parsed(password: str) -> None:
    sasl = from_environment(KAFKA__SASL__USERNAME="u", KAFKA__SASL__PASSWORD=password).kafka.sasl
    assert sasl is not None
    assert sasl.password.get_secret_value() == password


@pytest.mark.parametrize(("text", "secret"), [("s3cret\n", "s3cret"), ("s3cret\n\n", "s3cret\n"), (" s ", " s ")])
def test_a_secret_may_be_read_from_a_file_without_its_last_newline(tmp_path: Path, text: str, secret: str) -> None:
    file = tmp_path / "password"
    file.write_text(text, encoding="utf-8")
    sasl = from_environment(KAFKA__SASL__USERNAME="u", KAFKA__SASL__PASSWORD_FILE=str(file)).kafka.sasl
    assert sasl is not None
    assert sasl.password.get_secret_value() == secret


def test_a_setting_whose_own_name_ends_in_file_is_not_read_from_one() -> None:
    tls = from_environment(KAFKA__TLS__CA_FILE="/nowhere/ca.pem").kafka.tls
    assert tls is not None
    assert tls.ca_file == "/nowhere/ca.pem"
