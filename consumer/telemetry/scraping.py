"""Reads a worker's metrics as Prometheus would: for whoever watches one without a Prometheus at hand."""

from __future__ import annotations

import urllib.request
from collections.abc import Sequence
from http.client import HTTPException

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from consumer.errors import Retryable
from consumer.status.quantiles import quantile

ANSWER_TIMEOUT_S = 2.0


def scrape(url: str) -> Scrape:
    """The metrics of the worker that serves at `url`, as of now. Raises Retryable where it does not answer."""
    try:
        with urllib.request.urlopen(f"{url}/metrics", timeout=ANSWER_TIMEOUT_S) as answer:
            text = answer.read().decode()
    except (OSError, HTTPException) as error:
        raise Retryable(f"no metrics from {url}: {error}") from error
    return Scrape([sample for family in text_string_to_metric_families(text) for sample in family.samples])


class Scrape:
    """The samples of one moment."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._samples = samples

    def value(self, name: str, **labels: str) -> float | None:
        """Sum of the samples that carry these labels; None if there are none."""
        found = [sample.value for sample in self._samples if _carries(sample, name, labels)]
        return sum(found) if found else None

    def quantile(self, name: str, share: float, **labels: str) -> float | None:
        """A quantile of a histogram, linear inside a bucket as PromQL's `histogram_quantile`; None while it is empty.

        Where it lies beyond the last bound, that bound.
        """
        counts: dict[float, float] = {}
        for sample in self._samples:
            if _carries(sample, f"{name}_bucket", labels):
                bound = float(sample.labels["le"])
                counts[bound] = counts.get(bound, 0.0) + sample.value
        return quantile(sorted(counts.items()), share)


def _carries(sample: Sample, name: str, labels: dict[str, str]) -> bool:
    return sample.name == name and all(sample.labels.get(label) == value for label, value in labels.items())
