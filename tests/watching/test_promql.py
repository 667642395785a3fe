from __future__ import annotations

import pytest

from tests.watching.promql import exposed, metrics_in


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ('sum by (le) (rate(a{phase="live", job=~"$job"}[$__rate_interval])) / ignoring (x) b', {"a", "b"}),
        ("1 - freshrank:late:rate5m > 14.4 * 0.01 and on (job, x) ready == 1", {"freshrank:late:rate5m", "ready"}),
        ("(a unless a offset 2m) > 0 or 4 * 1024 ^ 3", {"a"}),
        ('count by (job) (up{job=~".*x.*"}) * on (instance) group_left (version) info', {"up", "info"}),
    ],
)  # fmt: skip
def test_only_the_names_of_series_are_found(query: str, names: set[str]) -> None:
    assert metrics_in(query) == names


def test_a_histogram_is_exposed_as_its_parts() -> None:
    assert {"freshrank_publish_seconds_bucket", "freshrank_publish_seconds_sum", "freshrank_ready"} <= exposed()
    assert "freshrank_publish_seconds" not in exposed()
