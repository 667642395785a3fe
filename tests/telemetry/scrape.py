"""A clock that the test advances, and a scrape as a plain mapping."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from consumer.telemetry.prometheus import PrometheusTelemetry

Samples = dict[str, float]


class ManualClock:
    def __init__(self, wall_s: float = 1_800_000_000.0) -> None:
        self._start_wall_s = wall_s
        self.elapsed_s = 0.0

    def wall_s(self) -> float:
        return self._start_wall_s + self.elapsed_s

    def monotonic_s(self) -> float:
        return self.elapsed_s

    def advance(self, seconds: float) -> None:
        self.elapsed_s += seconds


def samples(text: str) -> Samples:
    """Values by `name{label="value",...}`, labels in alphabetical order; braces only where there are labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def exposed(source: PrometheusTelemetry | CollectorRegistry) -> Samples:
    registry = source.registry if isinstance(source, PrometheusTelemetry) else source
    return samples(generate_latest(registry).decode())
