"""Recorded data, produced with their original times, replayed by range of time and recounted from the files."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from consumer.checkpoints.local_store import LocalStore
from consumer.settings import Settings
from consumer.snapshots.description import describe
from consumer.term import new_state
from tests.broker import create_topic
from tests.end_to_end.conftest import SettingsOf
from tests.end_to_end.recount import Interaction, capped, interactions, net_counts, recounted_scores
from tests.end_to_end.replays import Replay
from tests.end_to_end.test_real_data import DATA, PARTITIONS, REES46, TAOBAO, Recording, settings_for
from tests.end_to_end.test_real_data import replay as produce_recording

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

WEEK_S = 7 * 86_400
DIGINETICA_START_S = 1_451_606_400  # 2016-01-01


def produced(recording: Recording, settings: Settings) -> None:
    """Records that bear the events' own times, in a topic that keeps what is old."""
    create_topic(settings.kafka.bootstrap_servers, settings.input.topic, PARTITIONS, {"retention.ms": "-1"})
    produce_recording(replace(recording, replay=(*recording.replay, "--timestamps", "event")), settings)


def events_of(recording: Recording, settings: Settings) -> list[Interaction]:
    weights = {name: kind.weight for name, kind in settings.input.event_types.items()}
    found = interactions(recording.path(), recording.columns, weights, fieldnames=recording.fields)
    return [event for event, _ in zip(found, range(recording.n_events), strict=False)]


def text_of(seconds: float) -> str:
    return f"{np.datetime64(round(seconds), 's')}Z"


def assert_is_what_the_range_recounts_to(
    settings: Settings, directory: Path, events: Sequence[Interaction], start: float, share: tuple[float, float]
) -> None:
    """Replays the part of the events' time between these shares of it, and recounts its scores."""
    length = events[-1].time_s - start
    begin, end = (round(start + part * length) for part in share)
    inside = [event for event in events if begin <= event.time_s < end]
    assert 0 < len(inside) < len(events)
    replay = Replay(settings, directory, "part", "--from", text_of(begin), "--to", text_of(end))
    tried = replay.run("--dry-run")
    firsts = [of["first"] for of in tried["partitions"].values() if of["first"]]
    assert text_of(int(min(event.time_s for event in inside))) == min(firsts)
    assert sum(of["records_at_most"] for of in tried["partitions"].values()) == len(inside)
    said = replay.run()
    assert said["outcomes"] == {"admitted": len(inside)}
    state = new_state(settings)
    store = LocalStore(replay.directory)
    state.restore("newest", store.arrays(store.names()[-1]))
    manifest = {"model": describe(state.model, state.admission.watermark_ms, {}, {})}
    most = settings.users.daily_item_weight * max(abs(kind.weight) for kind in settings.input.event_types.values())
    counted = list(capped(inside, most))
    rows = np.flatnonzero(state.model.items.is_live[: state.model.n_item_rows])
    scores = dict(zip(map(bytes.decode, state.model.item_ids(rows)), state.model.scores()[rows].tolist(), strict=True))
    assert scores == pytest.approx(recounted_scores(counted, manifest), rel=1e-6, abs=1e-12)
    net = net_counts(counted, manifest)
    recounted = [sum(counts[h] for counts in net.values()) for h in range(3)]
    assert manifest["model"]["totals"]["popularity"] == pytest.approx(recounted, rel=1e-6)


TIMED_TAOBAO = replace(
    TAOBAO, replay=(*TAOBAO.replay, "--time-column", "epoch_seconds", "--time-format", "epoch_seconds")
)


@pytest.mark.parametrize("recording", [REES46, TIMED_TAOBAO], ids=["rees46", "taobao"])
def test_a_range_of_a_recording_is_what_its_rows_recount_to(
    recording: Recording, model: SettingsOf, tmp_path: Path
) -> None:
    recording.path()
    settings = settings_for(recording, model)
    produced(recording, settings)
    events = events_of(recording, settings)
    assert_is_what_the_range_recounts_to(settings, tmp_path, events, events[0].time_s, (0.25, 0.8))


def test_weeks_of_diginetica_are_replayed_with_the_times_that_are_derived(model: SettingsOf, tmp_path: Path) -> None:
    """Its times are the place in the period, spread evenly over a week."""
    path = DATA / "diginetica.csv.gz"
    if not path.exists():
        pytest.skip(f"needs {path}")
    settings = model(input={"topic": model().input.topic, "time_format": "rfc3339"})
    with gzip.open(path, "rt", newline="") as lines:
        rows = list(csv.DictReader(lines))
    events, file = dated(rows), tmp_path / "weeks.ndjson"
    with file.open("w") as written:
        for event in events:
            time = f"{np.datetime64(round(event.time_s * 1000), 'ms')}Z"
            named = {"user_id": event.user, "item_id": event.item, "event_type": "view", "event_time": time}
            written.write(json.dumps(named) + "\n")
    recording = Recording(str(file), "", len(events), (), ("user_id", "item_id", "event_type", "event_time"))
    produced(recording, settings)
    assert_is_what_the_range_recounts_to(settings, tmp_path, events, DIGINETICA_START_S, (0.25, 0.35))


def dated(rows: Sequence[dict[str, str]]) -> list[Interaction]:
    n_each = np.bincount([int(row["period"]) for row in rows])
    place = np.zeros(len(n_each), np.int64)
    events = []
    for row in rows:
        period = int(row["period"])
        time_s = DIGINETICA_START_S + WEEK_S * (period + int(place[period]) / int(n_each[period]))
        place[period] += 1
        events.append(Interaction(row["session_id"], row["item_id"], 1.0, round(time_s, 3)))
    return events
