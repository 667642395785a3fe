"""What is said about settings that cannot be used: all of it at once, each with its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from consumer.errors import BadSettings
from consumer.settings_loading import load

WriteFile = Callable[[str], Path]


def problems(files: Sequence[Path] = (), environment: Mapping[str, str] | None = None) -> list[str]:
    """Without the folder of temporary files."""
    with pytest.raises(BadSettings) as caught:
        load(files, environment or {})
    folder = f"{files[0].parent}/" if files else "no folder"
    return [problem.replace(folder, "") for problem in caught.value.problems]


def test_every_problem_of_every_source_is_listed_at_once(yaml_file: WriteFile) -> None:
    files = [yaml_file("inptu:\n  topic: x\nbatch:\n  max_events: 0\n"), yaml_file("batch: {max_wait_s: .nan}")]
    environment = {"FRESHRANK__TELEMETRY__PORT": "http", "FRESHRANK__MODEL__": "x", "FRESHRANK__CHECKPOINT": "1"}
    found = problems(files, environment)
    assert sorted(found) == [
        "1.yaml:2: inptu: there is no such setting; did you mean input?",
        "1.yaml:4: batch.max_events: must be greater than or equal to 1, got 0",
        "2.yaml:1: batch.max_wait_s: must be a finite number, got .nan",
        "FRESHRANK__CHECKPOINT: checkpoint: there is no such setting; did you mean checkpoints?",
        "FRESHRANK__MODEL__: model: must be a valid string",
        "FRESHRANK__TELEMETRY__PORT: telemetry.port: must be a valid integer, unable to parse string as an integer, "
        "got http",
    ]


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("input: {lateness: 5}", "input.lateness_s"),
        ("lateness_s: 5", "input.lateness_s"),
        ("model: {popularity: {}}", None),
        ("models: {populraity: {}}", "models.popularity"),
        ("zzz: 5", None),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest_known_one(
    yaml_file: WriteFile, text: str, meant: str | None
) -> None:
    (found,) = problems([yaml_file(text)])
    assert ("did you mean" in found) == (meant is not None)
    assert meant is None or found.endswith(f"did you mean {meant}?")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("input: [\n", "1.yaml:2: is not valid YAML"),
        ("input: {topic: a}\ninput: {topic: b}\n", "1.yaml:2: input: is given a second time"),
        ("batch:\n  max_events: 1\n  max_events: 1\n", "1.yaml:3: batch.max_events: is given a second time"),
        ("- input\n", "1.yaml:1: must be a mapping of settings"),
        ("a: 1\n---\nb: 2\n", "1.yaml:2: is not valid YAML: expected a single document"),
        ("input:\n  event_types: {on: 1}\n", "1.yaml:2: input.event_types: YAML reads a key here as True"),
        ("model: !!python/name:os.system\n", "1.yaml:1: model: has a value or key that cannot be read"),
        ("batch: &b {max_events: *b}\n", "1.yaml:1: is not valid YAML: it is nested without end"),
        ("input: topic\n", "1.yaml:1: input: is a section: it takes keys below it, not topic"),
        ("batch:\n  max_events: yes\n", "1.yaml:2: batch.max_events: must be a number, got true"),
        ("batch: {max_wait_s: 1e400}\n", "1.yaml:1: batch.max_wait_s: must be a finite number"),
        ("model: 2024\n", "1.yaml:1: model: must be a valid string, got 2024"),
        ("model: a b\n", "1.yaml:1: model: must match pattern"),
        ("input: {time_format: iso}\n", "1.yaml:1: input.time_format: must be 'rfc3339', 'epoch_seconds' or"),
        (
            'input: {event_types: {"\\ud800": 1}}\n',
            "1.yaml:1: input.event_types: '\\ud800' holds half a character",
        ),
        (
            "models: {popularity: {half_lives_s: [60, -1]}}\n",
            "1.yaml:1: models.popularity.half_lives_s[1]: must be greater than 0, got -1",
        ),
        ("input: {event_types: {view: {history: true}}}\n", "1.yaml:1: input.event_types.view.weight: is required"),
        ("kafka: {consumer: {fetch.min.bytes: [1]}}\n", "1.yaml:1: kafka.consumer.fetch.min.bytes: must be a valid"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_line(yaml_file: WriteFile, text: str, found: str) -> None:
    said = problems([yaml_file(text)])
    assert said[0].startswith(found), said


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path: Path) -> None:
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"model: \xff\xfe")
    found = problems([tmp_path / "missing.yaml", tmp_path, binary])
    assert found[0] == "missing.yaml: cannot be read: No such file or directory"
    assert found[1].endswith("cannot be read: Is a directory")
    assert found[2].startswith("binary.yaml: is not valid YAML")


def test_all_impossible_combinations_of_a_section_are_listed_with_who_gave_it(yaml_file: WriteFile) -> None:
    file = yaml_file("input:\n  dedupe: {window_s: 5}\n  default_event_type: like\n")
    found = problems([file], {"FRESHRANK__INPUT__LATENESS_S": "10"})
    assert found == [
        "1.yaml, FRESHRANK__INPUT__LATENESS_S: input: dedupe.window_s (5) must be at least lateness_s (10)",
        "1.yaml, FRESHRANK__INPUT__LATENESS_S: input: default_event_type 'like' is not one of event_types",
    ]


def test_two_variables_for_one_setting_are_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s", encoding="utf-8")
    environment = {
        "FRESHRANK__MODEL": "a",
        "FRESHRANK__model": "b",
        "FRESHRANK__KAFKA__SASL__PASSWORD": "p",
        "FRESHRANK__KAFKA__SASL__PASSWORD_FILE": str(secret),
    }
    assert problems(environment=environment) == [
        "FRESHRANK__KAFKA__SASL__PASSWORD_FILE: kafka.sasl.password: is given twice, by "
        "FRESHRANK__KAFKA__SASL__PASSWORD too",
        "FRESHRANK__model: model: is given twice, by FRESHRANK__MODEL too",
    ]


def test_a_secret_file_that_cannot_be_read_is_named() -> None:
    environment = {"FRESHRANK__KAFKA__TLS__KEY_PASSWORD_FILE": "/nowhere/key"}
    assert problems(environment=environment) == [
        "FRESHRANK__KAFKA__TLS__KEY_PASSWORD_FILE: kafka.tls.key_password: the file '/nowhere/key' cannot be read: "
        "No such file or directory"
    ]


def test_only_secrets_can_be_named_by_file() -> None:
    (found,) = problems(environment={"FRESHRANK__INPUT__TOPIC_FILE": "/etc/hosts"})
    assert (
        found == "FRESHRANK__INPUT__TOPIC_FILE: input.topic_file: there is no such setting; did you mean input.topic?"
    )


def test_a_source_that_cannot_be_read_leads_to_no_false_complaint_about_the_others(tmp_path: Path) -> None:
    missing = tmp_path / "with-the-username.yaml"
    (found,) = problems([missing], {"FRESHRANK__KAFKA__SASL__PASSWORD": "p"})
    assert found.startswith("with-the-username.yaml: cannot be read")


@pytest.mark.parametrize(
    "text",
    [
        "kafka: {sasl: {username: u, password: [hunter2]}}",
        "kafka: {sasl: {password: hunter2}}",
        "kafka: {sasl: {username: u, passwort: hunter2, password: p}}",
        "kafka: {consumer: {sasl.password: [hunter2]}}",
    ],
)
def test_no_problem_shows_a_secret(yaml_file: WriteFile, text: str) -> None:
    assert "hunter2" not in "".join(problems([yaml_file(text)]))
