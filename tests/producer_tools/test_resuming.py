"""A replay that is killed, told to stop or overtaken goes on where it was: each row is there once, and in order."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from confluent_kafka import Consumer, TopicPartition

from tests.broker import Broker, create_topic
from tests.end_to_end.waiting import until
from tests.producer_tools.clusters import stored

pytestmark = pytest.mark.broker

N_ROWS = 60_000
N_USERS = 500


class Replay(NamedTuple):
    """`freshrank-tools replay` of one file under one name."""

    servers: str
    topic: str
    file: Path
    name: str

    def command(self, *more: object) -> list[str]:
        command = [sys.executable, "-m", "producer_tools", "replay", str(self.file), "-b", self.servers]
        return [*command, "-t", self.topic, "--resume-as", self.name, *map(str, more)]

    def run(self, *more: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.command(*more), capture_output=True, text=True, check=False)

    @contextmanager
    def running(self, *more: object) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            self.command(*more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            try:
                yield process
            finally:
                process.kill()

    def next_row(self) -> int:
        """As Kafka has it; 0 before the first transaction."""
        consumer = Consumer({"bootstrap.servers": self.servers, "group.id": self.name})
        try:
            return max(0, consumer.committed([TopicPartition(self.topic, 0)], timeout=30)[0].offset)
        finally:
            consumer.close()

    def until_beyond(self, row: int) -> None:
        until(lambda: self.next_row() > row, f"row {row} has been sent")

    def rows_there(self) -> list[int]:
        """What a reader of committed records sees; each user's rows must be in order."""
        by_user: dict[bytes, list[int]] = defaultdict(list)
        for message in stored(self.servers, self.topic):
            by_user[message.key() or b""].append(int(json.loads(message.value() or b"")["event_id"].split("-")[-1]))
        assert all(rows == sorted(rows) for rows in by_user.values())
        return sorted(row for rows in by_user.values() for row in rows)


@pytest.fixture
def replay(kafka: Broker, topic_prefix: str, tmp_path: Path) -> Replay:
    topic = f"{topic_prefix}events"
    create_topic(kafka.bootstrap_servers, topic, partitions=4, config={"retention.ms": "-1"})
    path = tmp_path / "rows.csv"
    lines = [f"user-{i * 7_919 % N_USERS},item-{i % 97},view,{1_767_225_600 + i}" for i in range(N_ROWS)]
    path.write_text("user_id,item_id,event_type,event_time\n" + "\n".join(lines) + "\n")
    return Replay(kafka.bootstrap_servers, topic, path, f"{topic_prefix}replay")


SECONDS = ("--time-format", "epoch_seconds")


def test_a_replay_that_is_killed_again_and_again_sends_each_row_once(replay: Replay) -> None:
    for row in (0, 10_000, 25_000):
        with replay.running(*SECONDS, "--rate", 15_000) as process:
            replay.until_beyond(row)
            process.send_signal(signal.SIGKILL)
            process.wait()
    ended = replay.run(*SECONDS)
    assert ended.returncode == 0, ended.stderr
    assert "going on at row" in ended.stdout
    assert replay.rows_there() == list(range(1, N_ROWS + 1))


def test_a_replay_that_is_told_to_stop_says_so_and_goes_on_later(replay: Replay) -> None:
    with replay.running(*SECONDS, "--rate", 5_000) as process:
        replay.until_beyond(0)
        process.terminate()
        out, err = process.communicate()
    assert process.returncode == 130, err
    assert f"interrupted; the same command goes on at row {replay.next_row():,}" in err
    n_before = int(out.split(" records delivered")[0].replace(",", ""))
    assert n_before == replay.next_row() - 1
    assert replay.run(*SECONDS).returncode == 0
    assert replay.rows_there() == list(range(1, N_ROWS + 1))


def test_a_second_process_of_the_same_name_takes_over_and_nothing_is_sent_twice(replay: Replay) -> None:
    with replay.running(*SECONDS, "--rate", 2_000) as first:
        replay.until_beyond(0)
        second = replay.run(*SECONDS)
        _, err = first.communicate()
    assert second.returncode == 0, second.stderr
    assert first.returncode == 1
    assert "another process goes on under this name" in err
    assert replay.rows_there() == list(range(1, N_ROWS + 1))


def test_a_replay_that_is_done_is_not_done_again(replay: Replay) -> None:
    assert replay.run(*SECONDS, "--limit", 1_000).returncode == 0
    again = replay.run(*SECONDS, "--limit", 1_000)
    assert again.returncode == 0
    assert "all 1,000 rows were sent before" in again.stdout
    assert replay.rows_there() == list(range(1, 1_001))


def test_the_rows_before_a_bad_one_stay_and_it_goes_on_once_the_row_is_mended(replay: Replay) -> None:
    text = replay.file.read_text()
    replay.file.write_text(text.replace(",1767226600\n", ",soon\n"))
    ended = replay.run(*SECONDS, "--limit", 3_000)
    assert ended.returncode == 1
    assert "row 1001: column 'event_time'" in ended.stderr
    assert ended.stdout.startswith("1,000 records delivered")
    replay.file.write_text(text)
    assert "going on at row 1,001" in replay.run(*SECONDS, "--limit", 3_000).stdout
    assert replay.rows_there() == list(range(1, 3_001))


def test_other_options_under_the_same_name_are_refused(replay: Replay) -> None:
    assert replay.run(*SECONDS, "--limit", 1_000).returncode == 0
    other = replay.run(*SECONDS, "--limit", 2_000)
    assert other.returncode == 2
    assert "began with another file or other options (1,000 rows sent)" in other.stderr


def test_pauses_of_the_original_pace_are_longer_than_a_transaction_may_last(replay: Replay) -> None:
    """Two rows, then one that is due much later: the first two are committed meanwhile."""
    replay.file.write_text(
        "user_id,item_id,event_type,event_time\n" + "".join(f"u,i,view,{at}\n" for at in (1_000, 1_000, 1_000_000))
    )
    with replay.running(*SECONDS, "--pace", "original") as process:
        replay.until_beyond(2)
        process.terminate()
        process.communicate()
    assert replay.rows_there() == [1, 2]


def test_event_times_under_retention_are_refused_before_anything_is_sent(kafka: Broker, replay: Replay) -> None:
    short = replay._replace(topic=f"{replay.topic}-short")
    create_topic(kafka.bootstrap_servers, short.topic, config={"retention.ms": "604800000"})
    ended = short.run("--timestamps", "event", "--time-format", "epoch_milliseconds")
    assert ended.returncode == 1
    assert "Set retention.ms=-1 on the topic" in ended.stderr
    assert short.rows_there() == []
