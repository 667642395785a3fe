"""`freshrank doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from consumer.cli import console, options
from consumer.cli.exit_codes import FAULT
from consumer.kafka.client_config import check_properties

if TYPE_CHECKING:
    from consumer.doctor.findings import Checked

_STYLES: Final = {"ok": "green", "warning": "yellow", "problem": "red"}
_WIDEST: Final = 13


def doctor(
    config: options.ConfigFiles = None,
    records: Annotated[
        int, typer.Option(min=1, max=100_000, help="Newest records of each partition of the input to look at.")
    ] = 1_000,
    as_json: options.Json = False,
) -> None:
    """Hold the settings against the real cluster, the records in it and this machine, before a worker is started.

    Checked are brokers, permissions, timeouts, topics, who publishes and runs already, what a worker would make of the
    newest records, their keys, clocks, and the checkpoints' directory. Nothing in Kafka is changed, no group joined, no
    worker disturbed. The exit code is 1 where there is a problem; warnings leave it at 0.

    Examples:

    \b
    freshrank doctor
    freshrank doctor --records 10000 --json
    """
    settings = options.settings_of(config)
    check_properties(settings)
    console.be_quiet()

    from consumer.doctor.examine import examine
    from consumer.doctor.facts import Facts
    from consumer.doctor.words import counted

    found = []
    for checked in examine(Facts(settings, records)):
        found.append(checked)
        if not as_json:
            _say(checked)
    counts = {severity: sum(one.finding.severity.value == severity for one in found) for severity in _STYLES}
    if as_json:
        console.say_json(_as_json(settings.model, counts, found))
    else:
        told = [counted(counts["problem"], "problem"), counted(counts["warning"], "warning"), f"{counts['ok']} ok"]
        console.say(", ".join(told))
    if counts["problem"]:
        raise typer.Exit(FAULT)


def _say(checked: Checked) -> None:
    finding = checked.finding
    severity = finding.severity.value
    console.say(f"{severity:<8} {checked.check:<{_WIDEST}} {finding.saw}", style=_STYLES[severity])
    if finding.advice:
        console.say(f"{'':<{9 + _WIDEST}} → {finding.advice}")


def _as_json(model: str, counts: dict[str, int], found: Sequence[Checked]) -> dict[str, Any]:
    return {
        "model": model,
        "problems": counts["problem"],
        "warnings": counts["warning"],
        "findings": [
            {
                "check": one.check,
                "severity": one.finding.severity.value,
                "saw": one.finding.saw,
                "advice": one.finding.advice,
                "values": dict(one.finding.values),
            }
            for one in found
        ],
    }
