"""Parquet files, and files at an address: the same rows as from CSV on this machine."""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped] # ships no types
import pyarrow as pa  # type: ignore[import-untyped] # nor does it
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest

from consumer.errors import BadRequest, BadRow
from consumer.recordings.places import place_of
from consumer.recordings.recording import Recording, RecordingPlan
from consumer.recordings.row_files import layout_of
from consumer.recordings.row_mapping import MappedRow, MappingPlan

MAPPING = MappingPlan(columns={"user_id": "visitor"})
TIMES = ("2026-01-01T00:00:00Z", "2026-01-01T10:00:00.250Z", "2026-02-01T00:00:00Z")
CSV = "visitor,item_id,event_type,event_time,value\n" + "".join(
    f"v{n},item-{n},view,{time},{n}.5\n" for n, time in enumerate(TIMES)
)


def rows(place: Path | str, mapping: MappingPlan = MAPPING) -> list[MappedRow]:
    found = place_of(place)
    with closing(Recording(RecordingPlan(found, layout_of(found), mapping))) as recording:
        mapped = [row for block in recording.blocks(2) for row in block]
        assert recording.file.bytes_read() == recording.file.size_bytes
        return mapped


def without_ids(mapped: list[MappedRow]) -> list[MappedRow]:
    """Ids are made of the file's name."""
    return [row._replace(value=row.value.replace(b"log-", b"").replace(b"other-", b"")) for row in mapped]


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(CSV)
    return path


def parquet_file(folder: Path, times: list[Any], name: str = "log.parquet") -> Path:
    n = len(times)
    table: Any = pa.table(
        {
            "visitor": [f"v{k}" for k in range(n)],
            "item_id": [f"item-{k}" for k in range(n)],
            "event_type": ["view"] * n,
            "event_time": times,
            "value": [k + 0.5 for k in range(n)],
        }
    )
    pq.write_table(table, folder / name, row_group_size=2)
    return folder / name


@pytest.mark.parametrize("kind", ["text", "with zone", "without zone"])
def test_parquet_rows_are_those_of_csv(tmp_path: Path, csv_file: Path, kind: str) -> None:
    times: list[Any] = list(TIMES)
    if kind != "text":
        zone = UTC if kind == "with zone" else None
        times = [datetime.fromisoformat(time).astimezone(UTC).replace(tzinfo=zone) for time in TIMES]
    assert rows(parquet_file(tmp_path, times)) == rows(csv_file)


def test_what_is_no_parquet_is_refused_with_its_name(tmp_path: Path) -> None:
    path = tmp_path / "broken.parquet"
    path.write_text("no parquet")
    with pytest.raises(BadRequest, match=r"broken\.parquet cannot be read as Parquet"):
        rows(path)


def test_a_parquet_file_that_is_cut_off_inside_is_damaged_from_there_on(tmp_path: Path) -> None:
    path = parquet_file(tmp_path, list(TIMES) * 2_000)
    data = bytearray(path.read_bytes())
    data[1_000:1_400] = b"\xff" * 400
    path.write_bytes(bytes(data))
    with pytest.raises(BadRow, match="is damaged from here on"):
        rows(path)


def test_columns_of_parquet_are_known_before_the_first_row(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="there is no column 'shopper'; the file has visitor, item_id"):
        rows(parquet_file(tmp_path, list(TIMES)), MappingPlan(columns={"user_id": "shopper"}))


def test_files_at_an_address_are_read_like_those_on_this_machine(csv_file: Path, tmp_path: Path) -> None:
    storage = fsspec.filesystem("memory")
    storage.pipe("/bucket/log.csv", csv_file.read_bytes())
    storage.pipe("/bucket/other.parquet", parquet_file(tmp_path, list(TIMES)).read_bytes())
    assert rows("memory://bucket/log.csv") == rows(csv_file)
    assert without_ids(rows("memory://bucket/other.parquet")) == without_ids(rows(csv_file))
    facts = place_of("memory://bucket/log.csv").facts()
    assert facts.size_bytes == len(CSV)
    assert facts.modified


def test_an_address_that_leads_nowhere_is_told() -> None:
    with pytest.raises(BadRequest, match=r"memory://bucket/nothing\.csv cannot be read"):
        rows("memory://bucket/nothing.csv")
    with pytest.raises(BadRequest, match=r"gopher://x/y\.csv cannot be reached: Protocol not known"):
        rows("gopher://x/y.csv")


@pytest.mark.parametrize(("module", "extra"), [("fsspec.core", "object-storage"), ("pyarrow.parquet", "parquet")])
def test_a_package_that_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str, extra: str
) -> None:
    path = parquet_file(tmp_path, list(TIMES))
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(BadRequest, match=rf"pip install 'freshrank\[{extra}\]'"):
        rows("memory://bucket/log.csv" if extra == "object-storage" else path)
