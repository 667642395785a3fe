"""`freshrank doctor` on a real broker: a healthy deployment has no finding above ok, every planted fault is found."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from tests.broker import Broker, LocalBroker, skip_or_fail
from tests.broker.jars import missing
from tests.broker.properties import LOOPBACK, Listener, free_port
from tests.cli.clinic import Patient, events, moment, renamed, worst
from tests.cli.conftest import Freshrank

pytestmark = [pytest.mark.broker, pytest.mark.timeout(400)]

HOUR_MS = 3_600_000


def examined(freshrank: Freshrank, patient: Patient) -> tuple[int, list[dict[str, Any]]]:
    """Exit code and findings."""
    ended = freshrank("doctor", "-c", patient.write_settings(), "--json")
    assert ended.err == ""
    return ended.code, json.loads(ended.out)["findings"]


@pytest.fixture
def patient(kafka: Broker, topic_prefix: str, tmp_path: Path) -> Patient:
    return Patient(kafka.bootstrap_servers, topic_prefix, tmp_path)


def test_a_healthy_deployment_has_no_finding_above_ok(freshrank: Freshrank, patient: Patient) -> None:
    patient.make()
    patient.send(events())
    code, findings = examined(freshrank, patient)
    assert worst(findings) == []
    assert code == 0
    assert {f["check"] for f in findings} == {
        "brokers", "permissions", "timeouts", "input topic", "output topics", "published", "workers", "events", "keys",
        "clocks", "checkpoints",
    }  # fmt: skip


def test_it_reads_like_a_table_and_ends_with_a_sum(freshrank: Freshrank, patient: Patient) -> None:
    patient.make()
    patient.send(events())
    ended = freshrank("doctor", "-c", patient.write_settings())
    *lines, last = ended.out.splitlines()
    assert (ended.code, ended.err) == (0, "")
    assert all(line.startswith("ok       ") for line in lines)
    assert last == f"0 problems, 0 warnings, {len(lines)} ok"


def test_nothing_is_left_behind(freshrank: Freshrank, patient: Patient) -> None:
    patient.make()
    patient.send(events())
    admin = AdminClient({"bootstrap.servers": patient.servers})
    before = set(admin.list_topics(timeout=20).topics)
    examined(freshrank, patient)
    groups = admin.list_consumer_groups().result(timeout=20).valid
    assert patient.checked.group_id not in {group.group_id for group in groups}
    assert set(admin.list_topics(timeout=20).topics) - before <= {"__consumer_offsets"}
    assert not patient.directory.exists()


@dataclass(frozen=True)
class Planted:
    """`before` makes topics that `make` then leaves alone, `records` are sent instead of good ones, `settings` changes
    what is given, `meanwhile` goes on while the doctor looks."""

    name: str
    check: str
    severity: str
    saw: str
    before: Callable[[Patient], None] = lambda _: None
    records: Callable[[Patient], object] = lambda patient: patient.send(events())
    settings: Callable[[Patient], object] = lambda _: None
    after: Callable[[Patient], None] = lambda _: None
    meanwhile: Callable[[Patient], AbstractContextManager[None]] = lambda _: nullcontext()


def ms() -> int:
    return time.time_ns() // 1_000_000


PLANTED = (
    Planted(
        "row topic that is not compacted", "output topics", "problem",
        r"scores: cleanup\.policy is delete, wanted compact",
        before=lambda p: p.topic("scores", cleanup_policy="delete"),
    ),
    Planted(
        "dead letters that take no large record", "output topics", "problem",
        r"events-dead-letters: max\.message\.bytes is 1048588, wanted at least 1114124",
        before=lambda p: p.topic("events-dead-letters"),
    ),
    Planted(
        "rows that readers may miss", "output topics", "warning",
        r"related: min\.compaction\.lag\.ms is 0, wanted at least 21600000",
        before=lambda p: p.topic("related", cleanup_policy="compact", delete_retention_ms="604800000"),
    ),
    Planted(
        "deletions that readers may miss", "output topics", "warning",
        r"related: delete\.retention\.ms is 1000, wanted at least 604800000",
        before=lambda p: p.topic(
            "related", cleanup_policy="compact", min_compaction_lag_ms="21600000", delete_retention_ms="1000"
        ),
    ),
    Planted(
        "manifests in several partitions", "output topics", "warning",
        r"manifests: has 3 partitions, wanted 1",
        before=lambda p: p.topic("manifests", 3, cleanup_policy="compact"),
    ),
    Planted(
        "more replicas asked for than there are", "output topics", "problem",
        r"scores: min\.insync\.replicas is 2, but a partition has 1 in sync \(of 1\)",
        before=lambda p: p.topic("scores", cleanup_policy="compact", min_insync_replicas="2"),
    ),
    Planted(
        "input that is compacted", "input topic", "problem",
        r"events: cleanup\.policy is compact: of a user's events only the last would stay",
        before=lambda p: p.topic("events", cleanup_policy="compact"),
    ),
    Planted(
        "input that forgets before duplicates are told", "input topic", "problem",
        r"retention\.ms is 300000 \(5 min\), shorter than input\.lateness_s \(10 min\)",
        before=lambda p: p.topic("events", retention_ms="300000"),
    ),
    Planted(
        "input that forgets overnight", "input topic", "problem",
        r"retention\.ms is 36000000 \(10 h\): a worker that is away for longer",
        before=lambda p: p.topic("events", retention_ms="36000000"),
    ),
    Planted(
        "input too short to learn again from", "input topic", "warning",
        r"retention\.ms is 259200000 \(3 d\); the longest of models\.popularity\.half_lives_s is 7 d",
        before=lambda p: p.topic("events", retention_ms="259200000"),
    ),
    Planted(
        "users in several partitions", "keys", "problem",
        r"20 of the 20 users with two events or more have them in several partitions \(100 %; for example 'user-\d+'\)",
        records=lambda p: [p.send_to(n, events(40)) for n in range(2)],
        settings=lambda p: p.settings["input"].update(fields={"event_id": "no_such_id"}),
    ),
    Planted(
        "records without a key", "keys", "warning",
        r"100 % of the events have no key, though each user's are in one partition",
        records=lambda p: p.send(events(), key=None, partition=1),
    ),
    Planted(
        "fields of other names", "events", "problem",
        r"'user_id' \(input\.fields\.user_id\) is missing in 100 % of the records; what the records have and no "
        r"setting names: visitorid",
        records=lambda p: p.send(renamed(e, user_id="visitorid") for e in events()),
    ),
    Planted(
        "types that are not listed", "events", "warning",
        r"types that input\.event_types does not list, and whose events are skipped: 'addtocart' 50 %",
        records=lambda p: p.send(events(event_type=lambda i: ("view", "addtocart")[i % 2])),
    ),
    Planted(
        "no type that is listed", "events", "problem",
        r"whose events are skipped: 'click' 100 %",
        records=lambda p: p.send(events(event_type="click")),
    ),
    Planted(
        "seconds read as milliseconds", "events", "problem",
        r"read as epoch_milliseconds, 0 of 120 records are good events; read as epoch_seconds, 120 are",
        records=lambda p: p.send(events(event_time=lambda _: ms() // 1000)),
        settings=lambda p: p.settings["input"].update(time_format="epoch_milliseconds"),
    ),
    Planted(
        "seconds read as milliseconds, of which nobody complains", "events", "problem",
        r"read as epoch_milliseconds, 120 of 120 records are good events, \d+.* away from their records' timestamps; "
        r"read as epoch_seconds, 120 are",
        records=lambda p: p.send(events(event_time=lambda _: ms() // 1000)),
        settings=lambda p: p.settings["input"].update(time_format="epoch_milliseconds", earliest_event_time_ms=0),
    ),
    Planted(
        "milliseconds read as seconds", "events", "problem",
        r"read as epoch_seconds, 0 of 120 records are good events; read as epoch_milliseconds, 120 are",
        records=lambda p: p.send(events(event_time=lambda _: ms())),
        settings=lambda p: p.settings["input"].update(time_format="epoch_seconds"),
    ),
    Planted(
        "numbers read as text", "events", "problem",
        r"read as rfc3339, 0 of 120 records are good events; read as epoch_milliseconds, 120 are",
        records=lambda p: p.send(events(event_time=lambda _: ms())),
    ),
    Planted(
        "more dead letters than a worker takes", "events", "problem",
        r"33 % of the records would be dead letters \(empty_id 17 %, undecodable 17 %\); for example partition \d",
        records=lambda p: p.send([*events(80), *events(20, item_id=""), *[b"{"] * 20]),
    ),
    Planted(
        "a few dead letters", "events", "warning",
        r"1 % of the records would be dead letters \(wrong_type 1 %\); for example .* offset \d+: user_id: \[5\]",
        records=lambda p: p.send([*events(99), *events(1, user_id=[5])]),
    ),
    Planted(
        "an event id that names no event", "events", "problem",
        r"83 % of the good events have an 'event_id' that another one had just before",
        records=lambda p: p.send(events(event_id=lambda i: f"session-{i % 20}")),
    ),
    Planted(
        "late events", "events", "warning",
        r"10 % of the good events are more than 10 min behind the newest of their partition",
        records=lambda p: p.send(
            [*events(108), *events(12, event_time=moment(4_000), event_id=lambda i: f"late-{i}")], partition=0
        ),
    ),
    Planted(
        "records from the future", "clocks", "problem",
        r"the newest record is (1 h|59\.\d min|60 min) ahead of this machine's clock",
        records=lambda p: p.send(events(), timestamp=ms() + HOUR_MS),
    ),
    Planted(
        "nothing to look at", "events", "warning",
        r"events has no record to hold the settings of the input against",
        records=lambda _: None,
    ),
    Planted(
        "a directory that cannot be made", "checkpoints", "problem",
        r"nothing can be written: Not a directory",
        settings=lambda p: [
            p.directory.write_text(""),
            p.settings["checkpoints"].update(directory=str(p.directory / "below")),
        ],
    ),
    Planted(
        "a disk too small for what is asked", "checkpoints", "warning",
        r"are free; 6 checkpoints at the limits of catalogue\.max_items, users\.max_users and .* would take",
        settings=lambda p: p.settings["catalogue"].update(max_items=100_000_000),
    ),
    Planted(
        "topics of another model", "published", "problem",
        r"model 'stranger' already publishes to .*related, .*scores",
        after=lambda p: p.publish("stranger"),
    ),
    Planted(
        "published, and no checkpoint", "published", "problem",
        r"version 7 of model '.*' is published, but .*checkpoints has no checkpoint",
        after=lambda p: p.publish(p.checked.model),
    ),
    Planted(
        "a worker in the same slot", "workers", "problem",
        r"a worker at 127\.0\.0\.1 is in group freshrank-.* as .*slot-0",
        meanwhile=lambda p: p.member(),
    ),
    Planted(
        "strangers in the group", "workers", "problem",
        r"group freshrank-.* has 1 members that share by range",
        meanwhile=lambda p: p.member(group_instance_id=None, partition_assignment_strategy="range"),
    ),
)  # fmt: skip


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted.name)
def test_what_is_planted_is_found(freshrank: Freshrank, patient: Patient, planted: Planted) -> None:
    planted.before(patient)
    patient.make()
    planted.records(patient)
    planted.settings(patient)
    planted.after(patient)
    with planted.meanwhile(patient):
        code, findings = examined(freshrank, patient)
    wanted = [f for f in findings if (f["check"], f["severity"]) == (planted.check, planted.severity)]
    assert any(re.search(planted.saw, f["saw"]) for f in wanted), worst(findings)
    assert all(f["advice"] for f in wanted)
    assert code == any(f["severity"] == "problem" for f in findings)


def test_without_any_topic_all_that_is_missing_is_told(freshrank: Freshrank, patient: Patient) -> None:
    code, findings = examined(freshrank, patient)
    assert code == 1
    problems = [f["saw"] for f in findings if f["severity"] == "problem"]
    assert len(problems) == 5
    assert all("does not exist" in saw for saw in problems)


def test_a_standby_in_a_slot_of_its_own_is_fine(freshrank: Freshrank, patient: Patient) -> None:
    patient.make()
    patient.send(events())
    with patient.member(group_instance_id=f"{patient.prefix}slot-1"):
        code, findings = examined(freshrank, patient)
    assert (code, worst(findings)) == (0, [])
    assert any("1 running" in f["saw"] for f in findings)


class CrookedBroker(LocalBroker):
    """Takes short transactions and long sessions only, makes topics that are asked for, and has a door that leads
    nowhere."""

    def __init__(self) -> None:
        self.misleading_servers = f"{LOOPBACK}:{free_port()}"
        nowhere = Listener("ELSEWHERE", "PLAINTEXT", self.misleading_servers, f"{LOOPBACK}:1")
        properties = {
            "transaction.max.timeout.ms": "30000",
            "group.min.session.timeout.ms": "10000",
            "auto.create.topics.enable": "true",
        }
        super().__init__(properties, listeners=[nowhere])


@pytest.fixture(scope="module")
def crooked() -> Iterator[CrookedBroker]:
    if lacks := missing():
        skip_or_fail(f"a broker of its own needs {' and '.join(lacks)}", os.environ)
    broker = CrookedBroker()
    with broker:
        yield broker


@pytest.fixture
def crooked_patient(crooked: CrookedBroker, topic_prefix: str, tmp_path: Path) -> Patient:
    return Patient(crooked.bootstrap_servers, topic_prefix, tmp_path)


def test_timeouts_that_the_brokers_refuse_are_found(freshrank: Freshrank, crooked_patient: Patient) -> None:
    code, findings = examined(freshrank, crooked_patient)
    assert code == 1
    told = worst(f for f in findings if f["check"] == "timeouts")
    assert len(told) == 2
    assert "kafka.transaction_timeout_s is 60, but the brokers' transaction.max.timeout.ms is 30000" in told[0]
    assert "kafka.session_timeout_s is 6, but the brokers take 10 to 1800" in told[1]


def test_looking_creates_no_topic_where_brokers_create_what_is_asked_for(
    freshrank: Freshrank, crooked_patient: Patient
) -> None:
    examined(freshrank, crooked_patient)
    topics = AdminClient({"bootstrap.servers": crooked_patient.servers}).list_topics(timeout=20).topics
    assert [name for name in topics if name.startswith(crooked_patient.prefix)] == []


def test_brokers_that_give_a_wrong_address_are_found(
    freshrank: Freshrank, crooked: CrookedBroker, crooked_patient: Patient
) -> None:
    crooked_patient.settings["kafka"]["bootstrap_servers"] = crooked.misleading_servers
    code, findings = examined(freshrank, crooked_patient)
    assert code == 1
    first, *others = worst(findings)
    assert first.startswith("problem brokers: broker 1 wants to be called at 127.0.0.1:1, which fails: Connection")
    assert others == [
        "warning not checked: permissions, timeouts, input topic, output topics, published, workers, events, keys, "
        "clocks, checkpoints"
    ]


def test_without_a_broker_the_rest_is_checked(freshrank: Freshrank, topic_prefix: str, tmp_path: Path) -> None:
    patient = Patient(f"{LOOPBACK}:{free_port()}", topic_prefix, tmp_path)
    code, findings = examined(freshrank, patient)
    assert code == 1
    assert [f["check"] for f in findings] == ["brokers", "checkpoints", "not checked"]
    assert "connecting to 127.0.0.1" in findings[0]["saw"]
    assert findings[1]["severity"] == "ok"
