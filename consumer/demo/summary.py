"""What the demo says at its end."""

from __future__ import annotations

from consumer.demo.figures import Figures
from consumer.demo.scenario import Scenario
from consumer.demo.trend_watch import TrendWatch

NEXT = """
Where to go next
  README.md                                 the contract: what goes in, what comes out, how to read it
  make broker                               a real Kafka on this machine (Java 17 and Maven), or use yours
  .venv/bin/freshrank topics --create --input-partitions 4
  .venv/bin/freshrank run
  .venv/bin/freshrank-tools synthetic --rate 2000 --trend-item hot
  .venv/bin/freshrank top"""


def summary(scenario: Scenario, figures: Figures, watch: TrendWatch, trend_began_s: float | None) -> str:
    """Several lines."""
    return "\n".join(
        (
            "",
            f"{figures.n_learned:,} events learned, {scenario.events_per_s:,.0f} a second; {figures.version} versions "
            "published",
            f"From an event to the published version that has it: 99 % within {_seconds(figures.p99_s)}, half within "
            f"{_seconds(figures.p50_s)}",
            f"The next item was among 20 recommended for {_percent(figures.hit_ratio)} of the sampled events; among "
            f"the 20 most popular for {_percent(figures.popularity_hit_ratio)}",
            _trend(watch, trend_began_s),
            NEXT,
        )
    )


def _trend(watch: TrendWatch, began_s: float | None) -> str:
    if began_s is None or watch.published_s is None:
        return f"The trend, {watch.item}, was not published in this time"
    told = f"The trend, {watch.item}: a published score {watch.published_s - began_s:.1f} s after its first event"
    if watch.in_top_s is None:
        return f"{told}; not in the top {watch.top} in this time"
    told += f", in the published top {watch.top} after {watch.in_top_s - began_s:.1f} s"
    if watch.first_s is not None:
        told += f", in first place after {watch.first_s - began_s:.1f} s"
    return told


def _seconds(value: float | None) -> str:
    return "(unknown)" if value is None else f"{value:.2f} s"


def _percent(value: float | None) -> str:
    return "(unknown)" if value is None else f"{100 * value:.1f} %"
