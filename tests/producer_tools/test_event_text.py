"""Numbers and times as columns of text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from producer_tools.text_columns import as_bytes, digits, rfc3339_ms

LAST_MS = 253_402_300_799_999  # 9999-12-31T23:59:59.999Z


@given(st.integers(1, 15), st.data())
def test_digits_are_padded_with_zeros(width: int, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.integers(0, 10**width - 1), min_size=1, max_size=20))
    assert as_bytes(digits(np.array(values, dtype=np.int64), width)) == [b"%0*d" % (width, v) for v in values]


@given(st.lists(st.integers(0, LAST_MS), min_size=1, max_size=20))
def test_times_read_as_the_standard_library_writes_them(times_ms: list[int]) -> None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    expected = [
        f"{epoch + timedelta(milliseconds=t):%Y-%m-%dT%H:%M:%S}.{t % 1_000:03d}Z".rjust(24, "0").encode()
        for t in times_ms
    ]
    assert as_bytes(rfc3339_ms(np.array(times_ms, dtype=np.int64))) == expected


def test_no_values_give_no_text() -> None:
    assert as_bytes(rfc3339_ms(np.array([], dtype=np.int64))) == []
