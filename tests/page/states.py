"""Statuses as a worker would show them, made up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from consumer.snapshots.formats import timestamp
from consumer.status.document import (
    Freshness,
    HalfLife,
    Held,
    Identity,
    Lag,
    MemberQuality,
    Partition,
    Quality,
    Quantiles,
    Replay,
    RisingItem,
    SavedCheckpoint,
    Series,
    Snapshot,
    Stage,
    Standings,
    State,
    Status,
    Throughput,
    TopItem,
    Weights,
)

NOW_S = 1_795_000_000.0
HOSTILE_ITEMS = (
    "<img src=x onerror=\"document.title='taken over'\">",
    "<script>document.title='taken over'</script>",
    "javascript:alert(1)",
    "'\"><svg onload=alert(1)>",
    "\u202etxt.exe\u202c\u200f right to left",
    "nul\x00 bell\x07 line\u2028separator",
    "{{7*7}} ${7*7} &lt;b&gt;",
    "long-" + "x" * 250,
)
LOGIT = {
    "item_to_item": {"log_score": 0.812, "root_score": 0.334, "reciprocal_rank": 0.127},
    "item": {"rising": 0.291, "count": -0.058, "second_hop": -0.402, "latest": 0.655},
}


def at(seconds: float) -> str:
    """So long after (before) the moment of all statuses here."""
    return timestamp(NOW_S + seconds)


def worker() -> Identity:
    return Identity("winter-shop", "freshrank-0", "0.1.0", at(-7_510))


def standby() -> Status:
    return Status(worker(), Stage.STANDBY, stage_since=at(-754), updated_at=at(0))


def live() -> Status:
    """A shop on an ordinary evening."""
    return Status(
        worker=worker(),
        stage=Stage.LIVE,
        stage_since=at(-7_380),
        updated_at=at(0),
        freshness=Freshness(60.0, Quantiles(0.021, 0.064, 0.093), Quantiles(0.31, 0.58, 0.71)),
        throughput=Throughput(
            10.0, 2_013.4, {"admitted": 14_302_118, "duplicate": 1_204, "late": 87, "undecodable": 3}
        ),
        lag=lag([Partition(p, 3_575_000 + 31 * p, 3_575_053 + 31 * p, 53) for p in range(4)]),
        snapshot=snapshot(12_482),
        quality=quality(),
        weights=weights(),
        standings=standings(),
        checkpoints=checkpoints(),
        state=State({"items": 20_412, "users": 183_020, "event_ids": 1_204_332, "departed_items": 0}, 312_004_608),
        minutes=minutes(),
        hour=hour(),
    )


def held() -> Status:
    """Versions are held, and others have been for a while."""
    why = "reciprocal rank on the last 500 sampled events is 0.0713 below that of the published version"
    return replace(
        live(),
        held=Held("worse", why, at(-212), at(388)),
        snapshot=Snapshot(12_482, at(-213), 1_402, 2),
        weights=replace(
            weights(), muted=("item_to_item",), longer_steps=("next",), drift_alarms={"score": 0, "next": 3}
        ),
        checkpoints=[
            SavedCheckpoint("0000000003-000012482-000412", 12_482, at(-8), 0.4, 312_004_608, "held"),
            *checkpoints(),
        ],
    )


def catching_up() -> Status:
    partitions = [Partition(p, 1_000_000, 1_900_000, 900_000) for p in range(4)]
    behind = lag(partitions, 1_804.0)
    return replace(
        live(), stage=Stage.CATCHING_UP, stage_since=at(-41), lag=behind, freshness=Freshness(60.0, None, None)
    )


def replaying() -> Status:
    return replace(
        live(),
        stage=Stage.REPLAYING,
        freshness=Freshness(60.0, None, None),
        snapshot=None,
        replay=Replay(0.43, "2026-03-01T02:55:00.000Z", 301_200.0, 731.0),
    )


def hostile() -> Status:
    """Item ids, model and slot as an attacker would have them."""
    top = [TopItem(item, 0.1 / (n + 1)) for n, item in enumerate(HOSTILE_ITEMS)]
    rising = [RisingItem(item, 0.1, 0.01) for item in HOSTILE_ITEMS]
    who = replace(worker(), model=HOSTILE_ITEMS[0], instance=HOSTILE_ITEMS[1])
    return replace(live(), worker=who, standings=replace(standings(), top=top, rising=rising))


def empty() -> Status:
    """A term that has learned nothing yet."""
    return replace(
        live(),
        freshness=Freshness(60.0, None, None),
        throughput=Throughput(10.0, 0.0, {}),
        lag=lag([Partition(0, 0, 0, 0)], 0.0),
        snapshot=Snapshot(0, None, 0, 0),
        quality=Quality(3.0, 20, {}),
        standings=None,
        checkpoints=(),
        minutes=Series(5.0, at(0), {"events_per_s": [], "to_publish_p95_s": [], "lag_records": []}),
        hour=Series(60.0, at(0), {"ensemble": [None], "popularity": [None]}),
    )


def snapshot(version: int) -> Snapshot:
    """Just published."""
    return Snapshot(version, at(-0.4), 0, 0)


def lag(partitions: Sequence[Partition], seconds: float = 0.11) -> Lag:
    return Lag("behaviour-events", sum(partition.lag for partition in partitions), seconds, partitions)


def quality() -> Quality:
    rates = {
        "ensemble": (0.412, 0.187),
        "item_to_item": (0.389, 0.171),
        "repeat": (0.122, 0.081),
        "popularity": (0.094, 0.031),
    }
    return Quality(3_600.0, 20, {name: MemberQuality(1_804, hits, mrr) for name, (hits, mrr) in rates.items()})


def weights() -> Weights:
    mixture = [HalfLife(3_600.0, 0.284), HalfLife(86_400.0, 0.431), HalfLife(604_800.0, 0.285)]
    return Weights(mixture, LOGIT, (), (), {"score": 1, "next": 2})


def standings() -> Standings:
    names = ["linen-shirt-042", "trail-shoe-9", "desk-lamp-warm", "mug-blue", "rain-jacket-l", "notebook-a5"]
    names += ["kettle-1l", "socks-merino-3", "headphones-v2", "plant-pot-xl"]
    return Standings(
        version=12_482,
        items=20_412,
        top=[TopItem(name, 0.0312 / (n + 1) ** 0.7) for n, name in enumerate(names)],
        rising=[
            RisingItem("snow-shovel", 0.0141, 0.0006),
            RisingItem("rain-jacket-l", 0.0122, 0.0049),
            RisingItem("hand-warmer", 0.0044, 0.0),
        ],
        now_half_life_s=3_600.0,
        usual_half_life_s=604_800.0,
    )


def checkpoints() -> list[SavedCheckpoint]:
    return [
        SavedCheckpoint(
            f"0000000003-0000{12_470 - 60 * n}-0000{400 - n}",
            12_470 - 60 * n,
            at(-12 - 30 * n),
            0.41,
            312_004_608,
            "good",
        )
        for n in range(4)
    ]


def minutes() -> Series:
    rate = [2_000 + 180 * math.sin(n / 9) + 40 * math.sin(n * 2.7) for n in range(120)]
    fresh = [0.55 + 0.08 * math.sin(n / 5) + (0.5 if n == 70 else 0.0) for n in range(120)]
    lag = [200 + 60 * math.sin(n / 4) + (900 if n in (70, 71) else 0) for n in range(120)]
    return Series(5.0, at(0), {"events_per_s": rate, "to_publish_p95_s": fresh, "lag_records": lag})


def hour() -> Series:
    ours = [None if n in (20, 21) else 0.41 + 0.03 * math.sin(n / 4) for n in range(60)]
    theirs = [0.09 + 0.01 * math.sin(n / 6) for n in range(60)]
    return Series(60.0, at(0), {"ensemble": ours, "popularity": theirs})
