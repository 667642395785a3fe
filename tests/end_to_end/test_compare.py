"""Two replays on the same stretch of a real topic: one that has learned what follows what, one that has not."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from consumer.settings import Settings
from tests.end_to_end.conftest import SettingsOf
from tests.end_to_end.events import encoded, event, produce
from tests.end_to_end.replays import Replay, freshrank, replay_checkpoints, written
from tests.end_to_end.workers import create_topics

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

N_ITEMS = 400
N_LEARNED = 8_000
N_COMMON = 600


def walks(n: int) -> list[bytes]:
    """Shoppers who go from each item to the one after it, mostly."""
    rng = random.Random(1)
    at = [rng.randrange(N_ITEMS) for _ in range(300)]
    values = []
    for i in range(n):
        user = rng.randrange(len(at))
        at[user] = (at[user] + 1) % N_ITEMS if rng.random() < 0.9 else rng.randrange(N_ITEMS)
        values.append(encoded(event(f"item-{at[user]}", user=f"user-{user}", at_s=2.0 * i, event_id=f"e-{i}")))
    return values


def compared(settings: Settings, directory: Path, *arguments: str) -> dict[str, Any]:
    done = freshrank("compare", *arguments, "--json", "-c", str(written(settings, directory)))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_model_that_learned_more_is_told_from_the_other_on_what_came_behind_both(
    model: SettingsOf, tmp_path: Path
) -> None:
    settings = model()
    create_topics(settings, input_partitions=1)
    produce(settings.kafka.bootstrap_servers, settings.input.topic, list(walks(N_LEARNED + N_COMMON)))
    little = Replay(settings, tmp_path, "little", "--from-offsets", "0:7500", "--to-offsets", f"0:{N_LEARNED - 100}")
    much = Replay(settings, tmp_path, "much", "--to-offsets", f"0:{N_LEARNED}")
    assert little.run()["records"] == N_LEARNED - 7_600
    assert much.run()["records"] == N_LEARNED

    found = compared(settings, tmp_path, "little", "much")
    assert found["stretch"] == {"0": [N_LEARNED, N_LEARNED + N_COMMON]}
    assert found["asked"][0] < found["asked"][1] <= N_COMMON
    assert found["questions"] == found["asked"][0]
    assert found["hit_ratio"]["difference"]["low"] > 0.1
    for measured in found["mrr"].values():
        assert measured["low"] < measured["value"] < measured["high"]
    assert 0 < found["agreement"]["rank_correlation"] <= 1
    little_error, much_error = (calibration["error"] for calibration in found["calibration"])
    assert much_error < little_error

    path = str(max(replay_checkpoints(settings, "much").glob("checkpoint-*")))
    same = compared(settings, tmp_path, "much", path, "--most", "500")
    assert same["stretch"] == {"0": [N_LEARNED, N_LEARNED + 500]}
    assert same["hit_ratio"]["difference"] == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert same["agreement"]["top_overlap"] == 1.0
    assert same["agreement"]["rank_correlation"] == pytest.approx(1.0)
    assert much.notes().input_positions == {0: N_LEARNED}

    told = freshrank("compare", "little", "much", "-c", str(written(settings, tmp_path)))
    assert told.returncode == 0
    assert "hit ratio at 20" in told.stdout
    unknown = freshrank("compare", "little", "unknown", "-c", str(written(settings, tmp_path)))
    assert "there is no replay 'unknown'" in unknown.stderr
    nothing = freshrank("compare", "live", "much", "-c", str(written(settings, tmp_path)))
    assert "live has no checkpoint yet" in nothing.stderr
