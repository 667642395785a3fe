"""Recorded files as streams of mapped rows: layouts, mapping, and rows that cannot be used."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from consumer.errors import BadRequest, BadRow
from consumer.recordings.recording import Recording, RecordingPlan
from consumer.recordings.row_files import FileFormat, layout_of
from consumer.recordings.row_mapping import MappingPlan

CLICKS = "timestamp,visitorid,event,itemid,price\n1000,7,view,a,1.5\n2000,8,addtocart,b,\n3000,7,view,c,2\n"
CLICKS_MAPPING = MappingPlan(
    columns={"event_time": "timestamp", "user_id": "visitorid", "event_type": "event", "item_id": "itemid"},
    time_format="epoch_milliseconds",
    event_types={"addtocart": "cart"},
)
STANDARD = {
    "event_id": "e1",
    "user_id": "u",
    "item_id": "i",
    "event_type": "view",
    "event_time": "2026-01-01T00:00:00Z",
    "session_id": "s",
    "value": 2.5,
}


@pytest.fixture
def clicks(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    path.write_text(CLICKS)
    return path


def plan(path: Path, mapping: MappingPlan | None = None, columns: tuple[str, ...] = (), **more: Any) -> RecordingPlan:
    return RecordingPlan(path, layout_of(path, columns=columns), mapping or MappingPlan(), **more)


def events(wanted: RecordingPlan) -> list[dict[str, Any]]:
    with closing(Recording(wanted)) as recording:
        return [json.loads(row.value) for block in recording.blocks(2) for row in block]


def test_mapped_columns_become_the_standard_event(clicks: Path) -> None:
    assert events(plan(clicks, CLICKS_MAPPING))[1] == {
        "event_id": "clicks-2",
        "user_id": "8",
        "item_id": "b",
        "event_type": "cart",
        "event_time": "1970-01-01T00:00:02.000Z",
    }


def test_keys_are_user_ids_and_times_are_the_events_own(clicks: Path) -> None:
    with closing(Recording(plan(clicks, CLICKS_MAPPING))) as recording:
        (block,) = recording.blocks(10)
    assert [row.key for row in block] == [b"7", b"8", b"7"]
    assert [row.time_ms for row in block] == [1_000, 2_000, 3_000]


def test_a_file_may_come_without_header(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("1,2,pv,1511658000\n")
    mapping = MappingPlan({"event_type": "kind", "event_time": "at"}, "epoch_seconds", {"pv": "view"})
    (event,) = events(plan(path, mapping, columns=("user_id", "item_id", "kind", "at")))
    assert (event["user_id"], event["item_id"], event["event_type"]) == ("1", "2", "view")


@pytest.mark.parametrize("name", ["standard.ndjson", "standard.jsonl.gz"])
def test_a_standard_ndjson_file_needs_no_mapping(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    lines = f"{json.dumps(STANDARD)}\n\n{json.dumps({**STANDARD, 'item_id': 17, 'session_id': None})}\n".encode()
    path.write_bytes(gzip.compress(lines) if name.endswith(".gz") else lines)
    first, second = events(plan(path))
    assert first == {**STANDARD, "event_time": "2026-01-01T00:00:00.000Z"}
    assert second["item_id"] == "17"
    assert "session_id" not in second


def test_columns_become_features_texts_unless_they_are_said_to_be_numbers(clicks: Path) -> None:
    mapping = replace(CLICKS_MAPPING, features=("price", "event"), numbers=frozenset({"price"}))
    assert [event.get("features") for event in events(plan(clicks, mapping))] == [
        {"price": 1.5, "event": "view"},
        {"event": "addtocart"},
        {"price": 2, "event": "view"},
    ]


def test_the_features_of_a_standard_event_stay_and_others_join_them(tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text(json.dumps({**STANDARD, "features": {"brand": "x", "price": 3}, "colour": "red", "size": 7}))
    assert events(plan(path))[0]["features"] == {"brand": "x", "price": 3}
    joined = events(plan(path, MappingPlan(features=("colour", "size"))))[0]["features"]
    assert joined == {"brand": "x", "price": 3, "colour": "red", "size": 7}


def test_a_feature_that_should_be_a_number_and_is_none_is_named(clicks: Path) -> None:
    mapping = replace(CLICKS_MAPPING, features=("event",), numbers=frozenset({"event"}))
    with pytest.raises(BadRow, match="column 'event': 'view' is no finite number"):
        events(plan(clicks, mapping))


def test_keep_names_sends_the_row_as_it_is_with_numbers_where_asked_for(clicks: Path) -> None:
    mapping = MappingPlan(
        {"user_id": "visitorid"}, keeps_names=True, numbers=frozenset({"price", "timestamp"}), needs_times=False
    )
    assert events(plan(clicks, mapping))[:2] == [
        {"timestamp": 1000, "visitorid": "7", "event": "view", "itemid": "a", "price": 1.5},
        {"timestamp": 2000, "visitorid": "8", "event": "addtocart", "itemid": "b"},
    ]


def test_keep_names_turns_a_time_by_a_pattern_into_what_a_worker_reads(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,at\nu,2019-10-01 00:00:07 UTC\n")
    mapping = MappingPlan({"event_time": "at"}, "%Y-%m-%d %H:%M:%S UTC", keeps_names=True)
    assert events(plan(path, mapping)) == [{"user_id": "u", "at": "2019-10-01T00:00:07.000Z"}]


def test_a_file_of_one_type_needs_no_type_column(tmp_path: Path) -> None:
    path = tmp_path / "views.tsv"
    path.write_text("user_id\titem_id\tevent_time\nu\ti\t2026-01-01T00:00:00Z\n")
    assert events(plan(path, MappingPlan(default_type="view")))[0]["event_type"] == "view"


def test_part_of_a_file_keeps_its_event_ids(clicks: Path) -> None:
    found = events(plan(clicks, CLICKS_MAPPING, start_row=2, limit=1))
    assert [event["event_id"] for event in found] == ["clicks-2"]


def test_a_bad_cell_is_named_with_row_column_and_value(clicks: Path) -> None:
    clicks.write_text(CLICKS + "soon,9,view,d,3\n")
    with pytest.raises(BadRow, match=r"clicks.csv, row 4: column 'timestamp': 'soon' is no time"):
        events(plan(clicks, CLICKS_MAPPING))


def test_the_rows_before_a_bad_one_are_handed_out(clicks: Path) -> None:
    clicks.write_text(CLICKS + "4000,,view,d,3\n")
    with closing(Recording(plan(clicks, CLICKS_MAPPING))) as recording:
        blocks: Iterator[Any] = recording.blocks(10)
        assert len(next(blocks)) == 3
        with pytest.raises(BadRow, match=r"row 4: column 'visitorid' \(user_id\): ''"):
            next(blocks)


@pytest.mark.parametrize("row", ["soon,9,view,d,3", "1,2,3"])
def test_bad_rows_can_be_skipped_and_are_counted(clicks: Path, row: str) -> None:
    clicks.write_text(f"{CLICKS}{row}\n4000,9,view,e,1\n")
    with closing(Recording(plan(clicks, CLICKS_MAPPING, skips_bad_rows=True))) as recording:
        assert sum(len(block) for block in recording.blocks(2)) == 4
        assert recording.n_skipped == 1
        assert "clicks.csv, row 4" in recording.first_skipped


def test_a_line_that_is_no_json_is_named(tmp_path: Path) -> None:
    path = tmp_path / "broken.ndjson"
    path.write_text(json.dumps(STANDARD) + "\n{oops\n")
    with pytest.raises(BadRow, match=r"row 2: no JSON object .*\{oops"):
        events(plan(path))


def test_a_cut_off_gzip_file_is_an_error_after_what_could_be_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.ndjson.gz"
    path.write_bytes(gzip.compress((json.dumps(STANDARD) + "\n").encode() * 2_000)[:-10])
    with pytest.raises(BadRow, match="damaged from here on"):
        events(plan(path))


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        (MappingPlan({"user_id": "visitor"}), "no column 'visitor'; the file has timestamp, visitorid"),
        (MappingPlan({"user": "visitorid"}), "'user' is no field of an event"),
        (MappingPlan({"user_id": "visitorid"}), "no column for item_id: name it with --map item_id=COLUMN"),
        (MappingPlan({"user_id": "visitorid"}), "no column for event_time: name it with --time-column"),
        (MappingPlan(numbers=frozenset({"price"})), "--numbers names price, which --features doesn't"),
        (MappingPlan(keeps_names=True, features=("price",)), "--features is for standard events"),
        (MappingPlan(features=("cost",)), "no column 'cost'"),
        (MappingPlan(keeps_names=True, numbers=frozenset({"cost"})), "no column 'cost'"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(clicks: Path, mapping: MappingPlan, problem: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        Recording(plan(clicks, mapping))
    assert problem in str(refusal.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match=r"nowhere.csv cannot be read: No such file"):
        Recording(plan(tmp_path / "nowhere.csv"))


def test_an_empty_csv_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.touch()
    with pytest.raises(BadRequest, match="no header"):
        Recording(plan(path))


def test_a_column_name_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "twice.csv"
    path.write_text("a,b,a\n")
    with pytest.raises(BadRequest, match="a is there twice"):
        Recording(plan(path))


def test_a_name_that_says_nothing_needs_a_format(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="--file-format"):
        layout_of(tmp_path / "clicks.txt")
    assert layout_of(tmp_path / "clicks.txt", FileFormat.CSV, delimiter=";").delimiter == ";"
