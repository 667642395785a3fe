"""Amounts in words."""

from __future__ import annotations

import pytest

from consumer.doctor import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.004, "4 ms"), (6, "6 s"), (90, "90 s"), (300, "5 min"), (3_600, "1 h"), (5_400, "90 min"),
        (86_400, "1 d"), (100_000, "27.8 h"), (604_800, "7 d"), (1e12, "1.16e+07 d"),
    ],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_a_share_of_something_is_never_called_nothing() -> None:
    assert (words.share(0, 10), words.share(1, 100_000), words.share(1, 3)) == ("0 %", "0.1 %", "33 %")


def test_sizes_lists_and_counts() -> None:
    assert (words.size(12), words.size(3 << 20)) == ("12 bytes", "3.0 MiB")
    assert words.listed(["a", "b", "c"], most=2) == "a, b and 1 more"
    assert (words.counted(1, "broker"), words.counted(2_000, "broker")) == ("1 broker", "2,000 brokers")
