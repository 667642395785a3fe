"""The current values of one counter or gauge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from consumer.telemetry.catalogue import Metric

LabelValues = tuple[str, ...]


class Series:
    """Values of one metric by its label values. Not locked: the owner takes care of that.

    A counter whose label values are all known starts with each of them at 0, so that a dashboard sees a rate from the
    first failure on. A gauge has no value until it is set.
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._known = frozenset(metric.known_label_values())
        self._values: dict[LabelValues, float] = dict.fromkeys(
            metric.known_label_values() if metric.kind == "counter" else (), 0.0
        )

    def add(self, amount: float, *labels: str) -> None:
        """Raises ValueError for a negative amount or a label value outside its closed list."""
        if not amount >= 0:
            raise ValueError(f"{self.metric.name} only goes up, but was to change by {amount}")
        self._check((labels,))
        self._values[labels] = self._values.get(labels, 0.0) + amount

    def set(self, value: float, *labels: str) -> None:
        self._check((labels,))
        self._values[labels] = value

    def replace(self, values: Mapping[LabelValues, float]) -> None:
        """These are all values there are: what isn't named, such as a partition taken away, is gone."""
        self._check(values)
        self._values = dict(values)

    def total(self) -> float:
        """Over all label values; 0 where there are none."""
        return sum(self._values.values())

    def copy(self) -> dict[LabelValues, float]:
        return dict(self._values)

    def _check(self, labels: Iterable[LabelValues]) -> None:
        for values in labels:
            if values in self._known:
                continue
            if len(values) != len(self.metric.labels):
                raise ValueError(f"{self.metric.name} has the labels {self.metric.label_names}, got values {values}")
            for label, value in zip(self.metric.labels, values, strict=True):
                if label.values and value not in label.values:
                    raise ValueError(f"{self.metric.name}: {label.name}={value!r} is none of {', '.join(label.values)}")
