"""Deployments for `freshrank doctor`: a healthy one on a real broker, and ways to make it ill."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import yaml
from confluent_kafka import Consumer, Producer

from consumer.kafka.client_config import member_properties
from consumer.kafka.topic_admin import TopicAdmin
from consumer.settings import Settings
from consumer.snapshots.formats import Manifest
from tests.broker import create_topic
from tests.end_to_end.waiting import until

N_PARTITIONS = 2
N_EVENTS = 120
Event = dict[str, Any]


class Patient:
    """A model of a test's own, whose topics and records are as they should be once `make` was called.

    `settings` may be changed before `examined`; topics made before `make` stay as they are.
    """

    def __init__(self, servers: str, prefix: str, folder: Path) -> None:
        self.servers = servers
        self.prefix = prefix
        self.file = folder / "freshrank.yaml"
        self.directory = folder / "checkpoints"
        self.settings: dict[str, Any] = {
            "model": f"{prefix}model",
            "input": {"topic": f"{prefix}events"},
            "kafka": {"bootstrap_servers": servers, "instance_id": f"{prefix}slot-0", "session_timeout_s": 6},
            "publish": {f"{kind}_topic": f"{prefix}{kind}" for kind in ("scores", "related", "manifests")},
            "checkpoints": {"directory": str(self.directory)},
            "catalogue": {"max_items": 1_000},
            "users": {"max_users": 1_000, "remembered_pairs": 1_000},
        }

    @property
    def checked(self) -> Settings:
        return Settings.model_validate(self.settings)

    @property
    def input(self) -> str:
        return f"{self.prefix}events"

    def topic(self, kind: str, partitions: int = 1, **config: str) -> None:
        """Make one of its topics; `config` with `_` for `.`."""
        with_dots = {key.replace("_", "."): value for key, value in config.items()}
        create_topic(self.servers, f"{self.prefix}{kind}", partitions, with_dots)

    def make(self) -> None:
        """The topics that are missing."""
        TopicAdmin(self.checked, row_partitions=2).create(input_partitions=N_PARTITIONS)

    def send(self, events: Iterable[Event | bytes | None], **where: Any) -> None:
        """To the input; keyed by user, in that key's partition and with this moment's timestamp unless `where` says
        otherwise."""
        producer = Producer({"bootstrap.servers": self.servers, "partitioner": "murmur2_random"})
        for event in events:
            value = json.dumps(event).encode() if isinstance(event, dict) else event
            key = str(event.get("user_id", "")) if isinstance(event, dict) else "somebody"
            producer.produce(self.input, value, **{"key": key, **where})
        assert producer.flush(30) == 0

    def send_to(self, partition: int, events: Iterable[Event]) -> Patient:
        self.send(events, partition=partition)
        return self

    def publish(self, model: str) -> None:
        """A manifest of this model for the row topics."""
        topics = self.checked.publish
        positions = {topics.scores_topic: {"0": 0}, topics.related_topic: {"0": 0}}
        manifest = Manifest(
            version=7, kind="full", created_at="2026-01-01T00:00:00.000Z", watermark=None, input_positions={},
            output_positions=positions, rows={}, rows_waiting={}, checksum="0" * 16, discarded=[], model={},
            settings_digest="", writer={},
        )  # fmt: skip
        producer = Producer({"bootstrap.servers": self.servers})
        producer.produce(topics.manifests_topic, msgspec.json.encode(manifest), key=model)
        assert producer.flush(30) == 0

    @contextmanager
    def member(self, **properties: Any) -> Iterator[None]:
        """Somebody in the model's group, as a worker in this slot would be but for these (with `_` for `.`)."""
        changed = {key.replace("_", "."): value for key, value in properties.items()}
        given = {**member_properties(self.checked), "auto.offset.reset": "latest", **changed}
        consumer = Consumer({key: value for key, value in given.items() if value is not None})
        consumer.subscribe([self.checked.publish.manifests_topic])

        def has_joined() -> bool:
            consumer.poll(0.1)
            return bool(consumer.assignment())

        until(has_joined, "the other member has joined")
        try:
            yield
        finally:
            consumer.close()

    def write_settings(self) -> Path:
        self.file.write_text(yaml.safe_dump(self.settings))
        return self.file


def events(n: int = N_EVENTS, **changed: Any) -> list[Event]:
    """Good ones, of this moment, by some users with several each; `changed` values may be functions of the number, and
    a name whose value is None is left out."""
    made = []
    for i in range(n):
        event: Event = {
            "event_id": f"event-{i}",
            "user_id": f"user-{i % 20}",
            "item_id": f"item-{i % 7}",
            "event_type": "view",
            "event_time": moment(),
        }
        event.update({name: value(i) if callable(value) else value for name, value in changed.items()})
        made.append({name: value for name, value in event.items() if value is not None})
    return made


def moment(ago_s: float = 0.0) -> str:
    """RFC 3339."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago_s))


def renamed(event: Event, **names: str) -> Event:
    """With other names for its members."""
    return {names.get(name, name): value for name, value in event.items()}


def worst(findings: Iterable[Mapping[str, Any]]) -> list[str]:
    """What is above ok, one line each."""
    return [f"{f['severity']} {f['check']}: {f['saw']}" for f in findings if f["severity"] != "ok"]
