"""`freshrank dead-letters list|show|redrive`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from consumer.cli import console, options, times
from consumer.cli.exit_codes import EXPLAINED
from consumer.errors import BadRequest, Fatal, Fenced
from consumer.messages import Outcome
from consumer.settings import Settings

if TYPE_CHECKING:
    from consumer.redrive.letters import Letter
    from consumer.redrive.sending import Redriver
    from consumer.redrive.survey import Selection, Survey

dead_letters = typer.Typer(
    name="dead-letters",
    help="List, show and send back the records that could not be learned.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)

REASONS: Final = tuple(outcome.name.lower() for outcome in Outcome if outcome.is_dead_letter)

Reasons = Annotated[
    list[str] | None,
    typer.Option(
        "--reason",
        metavar="REASON",
        help=f"Only letters of this reason: {', '.join(REASONS)}. Repeatable.",
        show_default=False,
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        metavar="TIME", help="Only letters written at or after: a date, an RFC 3339 time or `now`.", show_default=False
    ),
]
Until = Annotated[str | None, typer.Option(metavar="TIME", help="Only letters written before.", show_default=False)]
_PLACE = "PARTITION:OFFSET"


@dead_letters.command("list", epilog=EXPLAINED)
def list_letters(
    config: options.ConfigFiles = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most so many, the newest.")] = 100,
    as_json: options.Json = False,
) -> None:
    """List the dead letters, oldest first: when, why, where they lay in the input, and what became of them.

    A letter is `waiting`; `sent back`; `came back`, if its original had been sent back before and failed again; or
    `cut`, if it was too large: then it can't be sent back. Neither keys nor values are shown.
    """
    settings = options.settings_of(config)
    selection = _selection(reason, since, until)
    with _redriver(settings) as redriver:
        survey = redriver.survey(selection)
    shown = survey.letters[-limit:]
    if as_json:
        letters = [_as_json(letter, survey) for letter in shown]
        counts = {"states": survey.counts(), "reasons": survey.reasons()}
        console.say_json({"topic": settings.dead_letters_topic, "n": len(survey.letters), **counts, "letters": letters})
    elif not shown:
        console.say(f"no such dead letters in {settings.dead_letters_topic}")
    else:
        console.table(f"{settings.dead_letters_topic}: {_counted(survey)}", _columns(shown, survey))


@dead_letters.command(epilog=EXPLAINED)
def show(
    letter: Annotated[str, typer.Argument(metavar=_PLACE, help="Where the letter lies; `list` says it.")],
    config: options.ConfigFiles = None,
    as_json: options.Json = False,
) -> None:
    """Show one dead letter: the original's key, value and headers, why it failed, and how often it was sent back."""
    settings = options.settings_of(config)
    with _redriver(settings) as redriver:
        survey = redriver.survey(_selection(None, None, None, [letter]))
        for found, record in redriver.records(survey.letters):
            told = _told(found, survey, record)
            break
        else:
            raise Fatal(
                f"there is no dead letter of {settings.input.topic} at {letter} in {settings.dead_letters_topic}"
            )
    if as_json:
        console.say_json(told)
        return
    for name, value in told.items():
        console.say(f"{name}: {value}")


@dead_letters.command(epilog=EXPLAINED)
def redrive(
    config: options.ConfigFiles = None,
    reason: Reasons = None,
    since: Since = None,
    until: Until = None,
    letter: Annotated[
        list[str] | None,
        typer.Option("--letter", metavar=_PLACE, help="Only this letter. Repeatable.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most so many, the oldest. Default: all.", show_default=False)
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Letters whose original was sent back before and failed again, too.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say how many would be sent.")] = False,
    as_json: options.Json = False,
) -> None:
    """Send dead letters back to the input: the original key, value and headers, and one more header that marks them.

    Each goes once: what was sent back is noted in the same transaction, so that the command may be killed, stopped and
    repeated, with the same filters or others. A record that is sent back is never late. Whoever fails again is a dead
    letter again, counts against `input.dead_letters` again, and is listed as `came back`: change what made them fail
    first, and try a few with `--limit`.
    """
    settings = options.settings_of(config)

    from consumer.redrive.sending import Asked

    selection = _selection(reason, since, until, letter)
    asked = Asked(selection, limit, again)
    with _redriver(settings) as redriver:
        if letter:
            _require_possible(redriver.survey(selection), selection, settings, again=again)
        if dry_run:
            survey = redriver.survey(selection)
            n = len(asked.chosen(survey))
        else:
            n, survey = _sent(redriver, asked)
    _tell_redriven(settings, survey, n, is_dry=dry_run, again=again, as_json=as_json)


def _sent(redriver: Redriver, asked: Any) -> tuple[int, Survey]:
    try:
        return redriver.send(asked, lambda n, of: console.note(f"sent back {n:,} of {of:,}"))
    except Fenced as error:
        raise Fatal(
            f"{error}. Is another redrive of this model running? Every letter was sent whole or not at all; the same "
            "command sends the rest"
        ) from error


def _require_possible(survey: Survey, selection: Selection, settings: Settings, *, again: bool) -> None:
    """Of letters that were named one by one each has to be there and fit to be sent. Raises BadRequest."""
    from consumer.redrive.survey import State

    found = {letter.place[1:]: survey.state_of(letter) for letter in survey.letters}
    why = {State.CUT: "was too large and is cut, so it can't be sent back", State.SENT_BACK: "was sent back already"}
    if not again:
        why[State.CAME_BACK] = "had been sent back before and failed again; --again sends it once more"
    for position in sorted(selection.positions):
        state = found.get(position)
        problem = f"is no dead letter of {settings.input.topic}" if state is None else why.get(state)
        if problem:
            raise BadRequest(f"--letter {position[0]}:{position[1]} {problem}")


def _tell_redriven(settings: Settings, survey: Survey, n: int, *, is_dry: bool, again: bool, as_json: bool) -> None:
    from consumer.redrive.survey import State

    counts = survey.counts()
    cut = [_short(letter) for letter in survey.among(State.CUT)]
    if as_json:
        told = {"topic": settings.input.topic, "would_send" if is_dry else "sent": n, "found": counts, "cut": cut}
        console.say_json(told)
        return
    console.say(f"{'would send' if is_dry else 'sent'} {n:,} back to {settings.input.topic}")
    if not again and counts.get(State.CAME_BACK.value):
        console.say(
            f"left out: {counts[State.CAME_BACK.value]:,} that failed again after a redrive (--again sends them)"
        )
    if cut:
        console.warn(
            f"{len(cut):,} can't be sent back, since they were too large and are cut: {', '.join(cut[:10])}"
            f"{' …' if len(cut) > 10 else ''}"
        )


@contextmanager
def _redriver(settings: Settings) -> Iterator[Redriver]:
    console.be_quiet()

    from consumer.clock import SystemClock
    from consumer.kafka.log import KafkaLog
    from consumer.kafka.output import KafkaOutput
    from consumer.redrive.sending import Redriver, transactional_id

    clock = SystemClock()
    output = KafkaOutput(settings, clock=clock, writes_as=transactional_id(settings))
    log = KafkaLog(settings, clock=clock)
    try:
        yield Redriver(settings, output, log, clock)
    finally:
        output.close()
        log.close()


def _selection(
    reasons: Sequence[str] | None, since: str | None, until: str | None, letters: Sequence[str] | None = None
) -> Selection:
    """Raises BadRequest."""
    from consumer.redrive.survey import Selection

    for reason in reasons or ():
        if reason not in REASONS:
            raise BadRequest(f"--reason {reason}: expected one of {', '.join(REASONS)}")
    now_s = time.time()
    return Selection(
        frozenset(reasons or ()),
        None if since is None else times.time_ms("--since", since, now_s),
        None if until is None else times.time_ms("--until", until, now_s),
        frozenset(map(_position, letters or ())),
    )


def _position(text: str) -> tuple[int, int]:
    partition, colon, offset = text.partition(":")
    if not (colon and partition.isdecimal() and offset.isdecimal()):
        raise BadRequest(f"{text!r}: expected {_PLACE}, as `freshrank dead-letters list` shows it")
    return int(partition), int(offset)


def _short(letter: Letter) -> str:
    return f"{letter.place.partition}:{letter.place.offset}"


def _counted(survey: Survey) -> str:
    return ", ".join(f"{n:,} {state}" for state, n in survey.counts().items())


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _columns(letters: Sequence[Letter], survey: Survey) -> dict[str, list[str]]:
    return {
        "letter": [_short(letter) for letter in letters],
        "written": [_time(letter.died_ms) for letter in letters],
        "reason": [letter.reason for letter in letters],
        "of": [str(letter.origin) for letter in letters],
        "state": [survey.state_of(letter).value for letter in letters],
        "redriven": [str(letter.n_redriven) for letter in letters],
        "bytes": [f"{letter.n_bytes:,}" for letter in letters],
    }


def _as_json(letter: Letter, survey: Survey) -> dict[str, Any]:
    return {
        "letter": _short(letter),
        "written": _time(letter.died_ms),
        "reason": letter.reason,
        "of": str(letter.origin),
        "state": survey.state_of(letter).value,
        "redriven": letter.n_redriven,
        "bytes": letter.n_bytes,
    }


def _told(letter: Letter, survey: Survey, record: Any) -> dict[str, Any]:
    from consumer.redrive.letters import original_of

    original = original_of(record)
    return {
        **_as_json(letter, survey),
        "why": original.detail,
        "recorded": _time(original.timestamp_ms) if original.timestamp_ms >= 0 else None,
        "redriven_from": list(original.marks),
        "key": _text(original.key),
        "headers": [[name, _text(value)] for name, value in original.headers],
        "value": _text(original.value),
    }


def _text(data: bytes | None) -> str | None:
    """Bytes that are no UTF-8 as escapes."""
    return None if data is None else data.decode("utf-8", "backslashreplace")
