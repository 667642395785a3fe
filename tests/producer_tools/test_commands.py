"""The command line as its users meet it: results, messages, exit codes."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import fsspec  # type: ignore[import-untyped] # ships no types
import pyarrow  # type: ignore[import-untyped] # nor does it
import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest

from producer_tools.__main__ import main
from tests.producer_tools.clusters import mock_cluster, stored

ROW = '{"user_id":"u","item_id":"i","event_type":"view","event_time":"2026-01-01T00:00:00Z"}\n'


class Ended(NamedTuple):
    code: int
    out: str
    err: str


Tools = Callable[..., Ended]


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tools:
    """Runs `freshrank-tools` with these arguments."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("FRESHRANK__KAFKA__BOOTSTRAP_SERVERS", raising=False)

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr("sys.argv", ["freshrank-tools", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return Ended(int(end.value.code or 0), *capsys.readouterr())

    return run


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    with mock_cluster() as address:
        yield address


@pytest.mark.parametrize("command", ["synthetic", "replay"])
def test_help_shows_examples(tools: Tools, command: str) -> None:
    ended = tools(command, "--help")
    assert ended.code == 0
    assert f"freshrank-tools {command} " in ended.out


def test_synthetic_delivers_what_was_asked_for(tools: Tools, cluster: str, topic_prefix: str) -> None:
    ended = tools("synthetic", "-b", cluster, "-t", f"{topic_prefix}events", "--events", 3_000, "--malformed", 0.1)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("3,000 records delivered")
    assert len(stored(cluster, f"{topic_prefix}events")) == 3_000


def test_a_paced_stream_reports_its_own_lateness(tools: Tools, cluster: str, topic_prefix: str) -> None:
    ended = tools("synthetic", "-b", cluster, "-t", f"{topic_prefix}events", "--events", 200, "--rate", 1_000)
    assert ended.code == 0
    assert "behind schedule by" in ended.out


def test_synthetic_writes_a_file_that_replay_sends(
    tools: Tools, cluster: str, topic_prefix: str, tmp_path: Path
) -> None:
    path = tmp_path / "made.ndjson.gz"
    assert tools("synthetic", "--events", 500, "--output", path).code == 0
    ended = tools("replay", path, "-b", cluster, "-t", f"{topic_prefix}events")
    assert (ended.code, ended.err) == (0, "")
    sent = sorted(message.value() or b"" for message in stored(cluster, f"{topic_prefix}events"))
    assert [json.loads(value) for value in sent] == [
        json.loads(line) for line in sorted(gzip.decompress(path.read_bytes()).splitlines())
    ]


def test_replay_reads_parquet_and_object_storage(tools: Tools, cluster: str, topic_prefix: str, tmp_path: Path) -> None:
    lines = tmp_path / "made.ndjson"
    assert tools("synthetic", "--events", 300, "--output", lines).code == 0
    events = [json.loads(line) for line in lines.read_text().splitlines()]
    with fsspec.filesystem("memory").open("/made/events.parquet", "wb") as file:
        parquet.write_table(pyarrow.Table.from_pylist(events), file)
    ended = tools("replay", "memory://made/events.parquet", "-b", cluster, "-t", f"{topic_prefix}events")
    assert (ended.code, ended.err) == (0, "")
    sent = [json.loads(message.value() or b"") for message in stored(cluster, f"{topic_prefix}events")]
    assert sorted(sent, key=itemgetter("event_id")) == sorted(events, key=itemgetter("event_id"))


def test_the_same_seed_and_start_write_the_same_file(tools: Tools, tmp_path: Path) -> None:
    start = ("--start", "2026-01-01T00:00:00Z")
    for name in ("a.ndjson.gz", "b.ndjson.gz"):
        tools("synthetic", "--events", 500, *start, "--output", tmp_path / name)
    a, b = ((tmp_path / name).read_bytes() for name in ("a.ndjson.gz", "b.ndjson.gz"))
    assert gzip.decompress(a) == gzip.decompress(b)


def test_without_a_start_the_last_event_is_not_in_the_future(tools: Tools, cluster: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    tools("synthetic", "-b", cluster, "-t", topic, "--events", 2_000, "--event-rate", 1)
    last = max(json.loads(message.value() or b"")["event_time"] for message in stored(cluster, topic))
    assert datetime.now(UTC) - timedelta(minutes=1) < datetime.fromisoformat(last) < datetime.now(UTC)


def test_events_far_ahead_of_their_records_are_warned_of(tools: Tools, cluster: str, topic_prefix: str) -> None:
    ended = tools(
        "synthetic", "-b", cluster, "-t", f"{topic_prefix}e", "--events", 10, "--start", "2100-01-01T00:00:00Z"
    )
    assert ended.code == 0
    assert "ahead of their records' timestamps" in ended.err


def test_the_rows_before_a_bad_one_are_delivered_and_the_exit_code_is_1(
    tools: Tools, cluster: str, topic_prefix: str, tmp_path: Path
) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text(ROW + ROW + ROW.replace("2026", "never"))
    ended = tools("replay", path, "-b", cluster, "-t", f"{topic_prefix}events")
    assert ended.code == 1
    assert ended.out.startswith("2 records delivered")
    assert "rows.ndjson, row 3: column 'event_time'" in ended.err


def test_skipped_rows_are_reported(tools: Tools, cluster: str, topic_prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text(ROW + "oops\n" + ROW)
    ended = tools("replay", path, "-b", cluster, "-t", f"{topic_prefix}events", "--skip-bad-rows")
    assert ended.code == 0
    assert "bad rows skipped: 1, the first: rows.ndjson, row 2" in ended.err


def test_a_broker_that_does_not_answer_is_a_fault(tools: Tools) -> None:
    ended = tools("synthetic", "-b", "127.0.0.1:1", "--events", 10)
    assert ended.code == 1
    assert "no answer from 127.0.0.1:1" in ended.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("replay", "nowhere.csv"), "nowhere.csv cannot be read"),
        (("replay", "log.csv", "--no-header"), "--no-header and --columns belong together"),
        (("replay", "log.csv", "--map", "user_id"), "--map takes NAME=NAME, got 'user_id'"),
        (("replay", "log.csv", "--map", "user_id=a", "--map", "user_id=b"), "--map is given twice for 'user_id'"),
        (("replay", "log.csv", "--time-column", "t", "--map", "event_time=u"), "contradict each other"),
        (("replay", "log.csv", "--no-header", "--columns", "a,,b"), "--columns has an empty name"),
        (("synthetic", "--start", "today"), "--start: 'today' is no time such as"),
        (("synthetic", "--events", "0"), "--events must be at least 1, got 0"),
        (("synthetic", "--event-rate", "0"), "events per second of event time must lie between"),
        (("synthetic", "--output", "x.ndjson", "--tombstones", "0.1"), "a line cannot hold a tombstone"),
        (("synthetic", "--output", "x.ndjson", "--rate", "10"), "--rate is for producing"),
        (("synthetic", "--client-config", "nowhere.properties"), "nowhere.properties cannot be read"),
        (("synthetic", "--malformed", "2"), "Invalid value for '--malformed'"),
    ],
)
def test_wrong_usage_says_what_is_wrong_and_ends_with_2(tools: Tools, arguments: tuple[str, ...], problem: str) -> None:
    ended = tools(*arguments)
    assert ended.code == 2
    assert problem in ended.err
    assert "Traceback" not in ended.err


def test_a_rate_is_not_for_the_original_pace(tools: Tools, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text(ROW)
    assert "--rate must be a finite number" in tools("replay", path, "--rate", "inf").err
    assert "--rate is for --pace fast" in tools("replay", path, "--pace", "original", "--rate", 60).err


def test_a_replay_is_sent_at_the_rate_asked_for(tools: Tools, cluster: str, topic_prefix: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text(ROW * 300)
    ended = tools("replay", path, "-b", cluster, "-t", f"{topic_prefix}events", "--rate", 1_000)
    assert "behind schedule by" in ended.out
    stamps_ms = [message.timestamp()[1] for message in stored(cluster, f"{topic_prefix}events")]
    assert max(stamps_ms) - min(stamps_ms) >= 290


def test_a_speed_needs_the_original_pace(tools: Tools, tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text(ROW)
    assert "--speed needs --pace original" in tools("replay", path, "--speed", 60).err


def test_a_file_that_cannot_be_written_is_a_fault(tools: Tools, tmp_path: Path) -> None:
    ended = tools("synthetic", "--events", 10, "--output", tmp_path / "no" / "such" / "file.ndjson")
    assert ended.code == 1
    assert "cannot be written: No such file or directory" in ended.err


def test_the_truth_of_a_stream_is_written_beside_it(tools: Tools, tmp_path: Path) -> None:
    truth, out = tmp_path / "truth.ndjson", tmp_path / "made.ndjson"
    wishes = ("--bots", 0.1, "--new-items-per-hour", 20_000, "--trend-item", "hot")
    assert tools("synthetic", "--events", 2_000, *wishes, "--output", out, "--truth", truth).code == 0
    kinds = [json.loads(line)["kind"] for line in truth.read_text().splitlines()]
    assert {"stream", "planted", "trend", "bot", "new_item", "shares"} == set(kinds)
    assert kinds.count("shares") == 10


def test_with_a_rhythm_the_last_event_is_not_in_the_future_either(tools: Tools, tmp_path: Path) -> None:
    path = tmp_path / "made.ndjson"
    tools("synthetic", "--events", 2_000, "--event-rate", 0.1, "--rhythm", 0.9, "--output", path)
    last = datetime.fromisoformat(json.loads(path.read_text().splitlines()[-1])["event_time"])
    assert datetime.now(UTC) - timedelta(minutes=10) < last < datetime.now(UTC)


def test_a_rhythm_is_kept_while_sending(tools: Tools, cluster: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    ended = tools(
        *("synthetic", "-b", cluster, "-t", topic, "--events", 30, "--rate", 600, "--rhythm", 0.9),
        *("--start", "2026-01-01T08:00:00Z"),  # a tenth of the mean
    )
    assert "behind schedule by" in ended.out
    stamps_ms = [message.timestamp()[1] for message in stored(cluster, topic)]
    assert max(stamps_ms) - min(stamps_ms) >= 450
