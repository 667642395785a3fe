"""The loop among fakes: failures that pass, being superseded, dead letters and their limit, what is told."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timedelta

import pytest

from consumer.errors import Fatal, Fenced, Retryable
from consumer.messages import REDRIVEN_HEADER
from consumer.worker import Ended
from tests.fakes.calls import Calls
from tests.fakes.kafka import FakeInput, FakeOutput
from tests.worker.world import START_S, World, event, settings


def visits(n: int, start: int = 0) -> list[bytes | None]:
    return [event(i, f"user-{i % 9}", f"item-{i % 13}", at_s=i) for i in range(start, start + n)]


class FailsOnce:
    """Raises at the n-th call of that name."""

    def __init__(self, name: str, nth: int, error: Exception, *, after: bool = False) -> None:
        self.has_failed = False
        self._name, self._left, self._error = name, nth, error
        self.calls = Calls(after_call=self._call) if after else Calls(before_call=self._call)

    def _call(self, name: str) -> None:
        if name == self._name and not self.has_failed:
            self._left -= 1
            if self._left == 0:
                self.has_failed = True
                raise self._error


def assert_everything_came_out_once(world: World, n_events: int) -> None:
    manifests = world.manifests()
    assert [m.version for m in manifests] == list(range(1, len(manifests) + 1))
    assert manifests[-1].input_positions == {"behaviour-events": {"0": n_events}}
    assert all(world.checksum_of(m) == m.checksum for m in manifests)


@pytest.mark.parametrize("call", ["begin", "write", "flush", "commit"])
def test_a_transaction_that_fails_for_now_is_aborted_and_tried_again(call: str) -> None:
    world = World(settings())
    world.produce(visits(100))
    fault = FailsOnce(call, 3, Retryable("the broker is away"))
    assert world.live(fault.calls) is Ended.STOPPED
    assert fault.has_failed
    assert world.telemetry.publish_failures == ["retryable"]
    assert_everything_came_out_once(world, 100)


@pytest.mark.parametrize("took_effect", [False, True])
def test_a_commit_of_unknown_outcome_is_settled_by_the_manifest(took_effect: bool) -> None:
    world = World(settings())
    world.produce([*visits(100), b"{broken"])
    fault = FailsOnce("commit", 4, Fenced("outcome unknown"), after=took_effect)
    assert world.live(fault.calls) is Ended.STOPPED
    assert fault.has_failed
    assert world.telemetry.publish_failures == ["fenced"]
    assert_everything_came_out_once(world, 101)
    assert world.dead_letter_coordinates() == [(0, 100)]


@pytest.mark.parametrize("call", ["read", "open"])
def test_a_commit_in_doubt_stays_so_while_the_broker_is_away(call: str) -> None:
    world = World(settings())
    world.produce(visits(100))
    doubt = FailsOnce("commit", 4, Fenced("outcome unknown"), after=True)
    n_failures = 0

    def away(name: str) -> None:
        nonlocal n_failures
        if doubt.has_failed and name == call and n_failures < 3:
            n_failures += 1
            raise Retryable("the broker is away")

    doubt.calls.before_call = away
    assert world.live(doubt.calls) is Ended.STOPPED
    assert n_failures == 3
    assert_everything_came_out_once(world, 100)


def test_dead_letters_whose_commit_is_in_doubt_are_not_written_twice() -> None:
    world = World(settings())
    world.produce([*visits(30), b"{broken", *visits(70, start=30)])
    for nth in range(2, 8):
        disturbed = World(settings())
        disturbed.produce([*visits(30), b"{broken", *visits(70, start=30)])
        disturbed.live(FailsOnce("commit", nth, Fenced("outcome unknown"), after=True).calls)
        assert disturbed.dead_letter_coordinates() == [(0, 30)]


def test_a_worker_that_finds_another_writer_ends_its_term_and_writes_nothing_more() -> None:
    world = World(settings())
    world.produce(visits(100))
    other = FakeOutput(world.cluster)

    def another_takes_over(source: FakeInput) -> bool:
        if len(world.manifests()) == 2 and world.cluster.epochs["model"] == 0:
            other.open()
            world.cluster.members["group"].insert(0, object())
        return False

    assert world.live(should_stop=another_takes_over) is Ended.LEASE_LOST
    assert len(world.manifests()) == 2


def test_versions_go_out_as_heartbeats_while_nothing_happens() -> None:
    world = World(settings(publish={"heartbeat_s": 1.0}))
    world.produce(visits(20))
    world.live(should_stop=lambda source: len(world.manifests()) >= 5)
    assert world.manifests()[-1].rows == {}


def test_bad_records_in_a_row_beyond_the_limit_stop_the_worker_in_front_of_the_first_not_taken() -> None:
    world = World(settings(input={"dead_letters": {"max_in_a_row": 5}}))
    world.produce([*visits(30), *[b"{broken"] * 9, *visits(10, start=30)])
    with pytest.raises(Fatal, match=r"more than 5 in a row.*partition 0 offset 35, which is undecodable"):
        world.live()
    assert world.cluster.group_offsets["group"] == {0: 35}
    assert world.dead_letter_coordinates() == [(0, offset) for offset in range(30, 35)]


def test_a_restart_in_front_of_bad_records_lets_no_more_of_them_through() -> None:
    world = World(settings(input={"dead_letters": {"max_in_a_row": 5}}))
    world.produce([*visits(30), *[b"{broken"] * 9, *visits(10, start=30)])
    for _ in range(3):
        with pytest.raises(Fatal, match="offset 35"):
            world.live()
    assert len(world.dead_letter_coordinates()) == 5


def test_a_raised_limit_lets_the_worker_go_on() -> None:
    world = World(settings(input={"dead_letters": {"max_in_a_row": 5}}))
    world.produce([*visits(30), *[b"{broken"] * 9, *visits(10, start=30)])
    with pytest.raises(Fatal):
        world.live()
    assert world.live(settings=settings(input={"dead_letters": {"max_in_a_row": 50}})) is Ended.STOPPED
    assert len(world.dead_letter_coordinates()) == 9
    assert world.telemetry.outcome_totals["admitted"] == 40


def test_too_large_a_share_of_dead_letters_stops_the_worker() -> None:
    limit = {"max_in_a_row": 100, "max_ratio": 0.1, "ratio_window": 50}
    world = World(settings(input={"dead_letters": limit}))
    mixed: list[bytes | None] = []
    for n in range(60):
        mixed.append(event(n, "ann", f"item-{n % 7}", at_s=n))
        if n % 4 == 0:
            mixed.append(b"[]")
    world.produce(mixed)
    with pytest.raises(Fatal, match="more than 10% of a window of 50 records"):
        world.live()
    assert len(world.dead_letter_coordinates()) == 5


def test_each_kind_of_input_has_its_outcome_and_its_counter() -> None:
    world = World(settings())
    time = {"event_time": START_S + 5_000}
    world.produce(
        [
            event(0, "ann", "lamp", at_s=5_000),
            event(1, "ann", "sofa", at_s=5_001),
            b"{broken",
            json.dumps({"user_id": "ann", "event_type": "view", **time}).encode(),
            json.dumps({"user_id": ["ann"], "item_id": "lamp", "event_type": "view", **time}).encode(),
            json.dumps({"user_id": "", "item_id": "lamp", "event_type": "view", **time}).encode(),
            json.dumps({"user_id": "ann", "item_id": "x" * 300, "event_type": "view", **time}).encode(),
            b'{"user_id":"ann","item_id":"lamp","event_type":"view","event_time":1795005000,"value":1e999}',
            event(2, "ann", "lamp", at_s=10_000_000),
            None,
            event(3, "ann", "lamp", at_s=5_002, event_type="hover"),
            event(0, "ann", "lamp", at_s=5_003),
            event(4, "ann", "lamp", at_s=1_000),
        ]
    )
    world.cluster.append(
        "behaviour-events", event(5, "ann", "lamp", at_s=1_000), partition=0,
        timestamp_ms=(START_S + 86_400) * 1000, headers=[(REDRIVEN_HEADER, b"1")],
    )  # fmt: skip
    world.live()
    assert world.telemetry.outcome_totals == {
        "admitted": 3, "undecodable": 1, "missing_field": 1, "wrong_type": 1, "empty_id": 1, "id_too_long": 1,
        "not_finite": 1, "time_out_of_range": 1, "tombstone": 1, "ignored_type": 1, "duplicate": 1, "late": 1,
    }  # fmt: skip
    assert world.telemetry.dead_letter_totals == {
        "undecodable": 1, "missing_field": 1, "wrong_type": 1, "empty_id": 1, "id_too_long": 1, "not_finite": 1,
        "time_out_of_range": 1,
    }  # fmt: skip
    assert world.dead_letter_coordinates() == [(0, offset) for offset in range(2, 9)]


def test_late_events_count_for_popularity_alone_where_the_settings_say_so() -> None:
    world = World(settings(input={"late_events": "popularity_only"}))
    world.produce([event(0, "ann", "lamp", at_s=5_000), event(1, "ann", "sofa", at_s=100)])
    world.live()
    rows = world.rows_of(world.manifests()[-1])
    assert json.loads(rows["item-scores"][b"sofa"])["score"] > 0.1
    assert json.loads(rows["item-related"][b"lamp"])["related"] == []


def test_a_full_disk_is_told_and_learning_goes_on() -> None:
    world = World(settings(checkpoints={"interval_s": 0.1}))
    world.produce(visits(200))

    def disk_fills_then_has_room(source: FakeInput) -> bool:
        n_versions = len(world.manifests())
        world.disk.is_full = 1 <= n_versions < 6
        return source.positions == {0: 200} and n_versions > 8

    world.live(should_stop=disk_fills_then_has_room)
    assert world.telemetry.checkpoint_failures.count("no_space") >= 1
    assert_everything_came_out_once(world, 200)
    world.produce(visits(20, start=200))
    world.live()
    assert world.telemetry.outcome_totals["admitted"] == 220


def test_what_happened_is_told_once() -> None:
    world = World(settings())
    world.produce(visits(100))
    world.live()
    told = world.telemetry
    assert told.n_learned == 100
    assert sum(len(ages) for ages in told.published_ages_s.values()) == 100
    assert told.lag_records
    assert told.checkpoints
    assert told.is_ready


def test_a_drift_is_counted_shown_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    world = World(settings())
    all_new = [event(i, f"user-{i % 9}", f"item-{i * i % 1009}", at_s=i) for i in range(3_000)]
    to_and_fro = [event(i, f"user-{i % 9}", f"item-{i // 9 % 2}", at_s=i) for i in range(3_000, 4_000)]
    world.produce([*all_new, *to_and_fro])
    with caplog.at_level(logging.WARNING):
        world.live()
    assert world.telemetry.alarms["next"] == 1
    assert world.telemetry.raised["next"]
    told = [record for record in caplog.records if record.message == "drift"]
    assert [vars(record)["loss"] for record in told if vars(record)["loss"] == "next"] == ["next"]
    assert world.telemetry.muted == {"item_to_item": False}


def test_a_restart_tells_no_drift_of_before_it_again() -> None:
    world = World(settings())
    world.produce([event(i, f"user-{i % 9}", f"item-{i * i % 1009}", at_s=i) for i in range(3_000)])
    world.produce([event(i, f"user-{i % 9}", f"item-{i // 9 % 2}", at_s=i) for i in range(3_000, 4_000)])
    world.live()
    n_told = world.telemetry.alarms["next"]
    world.live()
    assert world.telemetry.alarms["next"] == n_told == 1
    assert world.telemetry.raised["next"]


def test_what_was_put_off_while_behind_goes_out_as_soon_as_the_end_is_reached() -> None:
    world = World(settings(publish={"catch_up_share": 0.001, "gate": {"enabled": False}}))
    world.produce(visits(400))
    assert world.live() is Ended.STOPPED
    first, *_, last = (datetime.fromisoformat(m.created_at) for m in world.manifests())
    assert last - first < timedelta(seconds=20)  # a version takes about 0.2 s of the fake clock: put off for 200 s
