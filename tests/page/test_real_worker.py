"""The page of a real worker under load, and of its standby, on a real broker."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from consumer.settings import Settings
from tests.broker import Broker
from tests.end_to_end.events import PacedProducer, encoded, event
from tests.end_to_end.plain import plain_stream
from tests.end_to_end.waiting import until
from tests.end_to_end.workers import WorkerProcess, create_topics, settings_of
from tests.page.conftest import Look
from tests.page.states import HOSTILE_ITEMS
from tests.page.visits import Visit

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

N_EVENTS = 300_000
PER_SECOND = 2_000
N_PARTITIONS = 2
HOSTILE = HOSTILE_ITEMS[0]


def stream() -> list[bytes]:
    """One event in ten is on an item that would like to be markup."""
    hostile = [encoded(event(HOSTILE, user=f"user-{n}", at_s=n, event_id=f"h-{n}")) for n in range(N_EVENTS // 10)]
    plain = plain_stream(N_EVENTS)
    return [hostile[n // 10] if n % 10 == 3 else plain[n] for n in range(N_EVENTS)]


@pytest.fixture
def settings(kafka: Broker, topic_prefix: str, tmp_path: Path) -> Settings:
    evaluation = {"sample_one_in": 20}
    settings = settings_of(kafka.bootstrap_servers, topic_prefix, tmp_path, evaluation=evaluation)
    create_topics(settings, input_partitions=N_PARTITIONS)
    return settings


@pytest.fixture
def worker(settings: Settings, tmp_path: Path) -> Iterator[WorkerProcess]:
    """Learning, at PER_SECOND."""
    values = stream()
    with (
        WorkerProcess(settings, tmp_path) as worker,
        PacedProducer(
            settings.kafka.bootstrap_servers, settings.input.topic, values, PER_SECOND, N_PARTITIONS
        ) as producer,
    ):
        worker.start_ready()
        producer.allow(N_EVENTS)
        yield worker


def number(text: str | None) -> float:
    return float((text or "").replace(",", "").strip("–% ") or 0)


def growing(read: Callable[[], float], what: str) -> None:
    first = until(read, f"{what} is shown")
    until(lambda: read() > first, f"{what} grows")


def test_a_worker_under_load_is_seen_at_work_and_so_is_its_standby(
    worker: WorkerProcess, settings: Settings, tmp_path: Path, look: Look
) -> None:
    visit: Visit = look(worker.url)
    page = visit.page

    def figure(card: str) -> float:
        return number(visit.figure(card).text_content())

    expect(visit.heading).to_have_text("Live", timeout=60_000)
    growing(lambda: figure("version"), "the version")
    growing(lambda: number(page.locator("#partitions tbody tr td").first.text_content()), "a position")
    until(lambda: 0.5 * PER_SECOND < figure("throughput") < 2 * PER_SECOND, "its pace is shown")
    until(lambda: figure("quality") > 0, "quality is shown")
    until(lambda: page.locator("#members tbody tr").count() >= 4, "each member is listed")
    expect(page.locator("#partitions tbody tr")).to_have_count(N_PARTITIONS)
    expect(page.locator("#checkpoints tbody tr").first).to_contain_text("good", timeout=30_000)
    expect(page.locator("#top tbody bdi").first).to_have_text(HOSTILE)
    expect(page.locator("#freshness svg")).to_be_visible(timeout=30_000)
    expect(visit.figure("freshness")).to_have_text(re.compile(r"^[\d.]+\sm?s$"))

    with WorkerProcess(settings, tmp_path, "slot-1") as standby:
        standby.start()
        until(standby.is_standing_by, "the second worker stands by", 120)
        other = look(standby.url)
        expect(other.heading).to_have_text("Standing by")
        assert other.complaints == []

    assert visit.complaints == []
    assert {request for request in visit.requests if not request.startswith(worker.url)} == set()
    worker.kill()
    expect(visit.heading).to_have_text("No answer from the worker")
    expect(page.locator("#top tbody bdi").first).to_have_text(HOSTILE)
