"""Planted faults: as many as asked for, each of its kind, and nothing else touched."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest

from producer_tools.event_columns import MALFORMATIONS, Fault, joined
from producer_tools.plan import FaultShares, SyntheticPlan
from producer_tools.synthetic import SyntheticStream

GOOD = SyntheticPlan(n_events=50_000, n_users=2_000, n_items=500, seed=3, events_per_s=500)


def made(faults: FaultShares) -> tuple[list[bytes | None], np.ndarray, np.ndarray]:
    """Values, faults and true times of all records."""
    stream = SyntheticStream(replace(GOOD, faults=faults))
    columns = joined(list(stream.events()))
    return [value for block in stream.blocks() for value in block.values], columns.fault, columns.true_time_ms


def written_ms(value: bytes | None) -> int:
    assert value is not None
    return round(datetime.fromisoformat(json.loads(value)["event_time"]).timestamp() * 1_000)


@pytest.mark.parametrize(
    ("faults", "kinds"),
    [
        (FaultShares(malformed=0.05), MALFORMATIONS),
        (FaultShares(duplicates=0.05), (Fault.DUPLICATE,)),
        (FaultShares(late=0.05), (Fault.LATE,)),
        (FaultShares(future=0.05), (Fault.FUTURE,)),
        (FaultShares(tombstones=0.05), (Fault.TOMBSTONE,)),
    ],
)
def test_each_kind_takes_the_share_asked_for(faults: FaultShares, kinds: tuple[Fault, ...]) -> None:
    _, fault, _ = made(faults)
    assert np.mean(np.isin(fault, kinds)) == pytest.approx(0.05, abs=0.005)
    assert set(np.unique(fault).tolist()) == {Fault.NONE, *kinds}


def test_shares_add_up_where_all_are_asked_for() -> None:
    _, fault, _ = made(FaultShares(0.1, 0.1, 0.1, 0.1, 0.1))
    assert np.mean(fault != Fault.NONE) == pytest.approx(0.5, abs=0.01)


def test_good_records_are_those_of_the_stream_without_faults() -> None:
    plain, _, _ = made(FaultShares())
    values, fault, _ = made(FaultShares(0.05, 0.05, 0.05, 0.05, 0.05))
    good = np.flatnonzero(fault == Fault.NONE)
    assert [values[i] for i in good] == [plain[i] for i in good]


def test_the_first_records_are_good() -> None:
    _, fault, _ = made(FaultShares(malformed=1.0, after_events=250))
    assert np.flatnonzero(fault)[0] == 250


def test_a_duplicate_repeats_a_recent_good_record_byte_for_byte() -> None:
    values, fault, _ = made(FaultShares(malformed=0.05, duplicates=0.05, late=0.05, tombstones=0.05))
    for i in np.flatnonzero(fault == Fault.DUPLICATE):
        before = np.flatnonzero(fault[:i] == Fault.NONE)[-512:]
        assert any(values[j] == values[i] for j in before)


def test_a_late_event_is_late_by_the_amount_asked_for() -> None:
    values, fault, true_ms = made(FaultShares(late=0.05, late_by_s=700))
    for i in np.flatnonzero(fault == Fault.LATE):
        assert 700_000 <= true_ms[i] - written_ms(values[i]) <= 1_400_000


def test_a_future_event_is_ahead_of_its_record() -> None:
    values, fault, true_ms = made(FaultShares(future=0.05, future_by_s=1_000))
    assert {written_ms(values[i]) - true_ms[i] for i in np.flatnonzero(fault == Fault.FUTURE)} == {1_000_000}


def test_a_tombstone_has_a_key_and_no_value() -> None:
    values, fault, _ = made(FaultShares(tombstones=0.05))
    assert [value is None for value in values] == (fault == Fault.TOMBSTONE).tolist()


def test_malformed_records_are_wrong_in_the_way_they_say() -> None:
    values, fault, _ = made(FaultShares(malformed=0.05))
    first = {kind: values[int(np.flatnonzero(fault == kind)[0])] or b"" for kind in MALFORMATIONS}
    with pytest.raises(json.JSONDecodeError):
        json.loads(first[Fault.TRUNCATED])
    with pytest.raises(UnicodeDecodeError):
        first[Fault.NOT_UTF8].decode()
    assert "item_id" not in json.loads(first[Fault.MISSING_FIELD])
    assert isinstance(json.loads(first[Fault.WRONG_TYPE])["item_id"], list)
    assert json.loads(first[Fault.EMPTY_ID])["item_id"] == ""
    assert len(json.loads(first[Fault.ID_TOO_LONG])["user_id"]) > 4_096
    assert b'"value":1e999' in first[Fault.NOT_FINITE]
    assert json.loads(first[Fault.TIME_BEFORE_RANGE])["event_time"].startswith("1971-")
