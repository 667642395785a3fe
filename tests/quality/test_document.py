"""The page and the file for programs."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from consumer.evaluation.figures import Measured
from tests.quality import drifting
from tests.quality.document import Page, Section, percent, table
from tests.quality.picture import Point, write_chart
from tests.quality.recorded import Absent, require


def test_shares_are_shown_in_percent_with_their_interval() -> None:
    assert percent(Measured(0.5, 0.25, 0.75)) == "50.00 (25.00–75.00)"


def test_a_table_aligns_numbers_to_the_right() -> None:
    assert table(("name", "value"), [["a", "1"]]) == ["", "| name | value |", "| --- | ---: |", "| a | 1 |", ""]


def page_of(folder: Path, *, continues: bool) -> Page:
    return Page(folder, ["first", "second"], continues=continues)


def test_sections_stand_in_their_order_whenever_they_were_measured(tmp_path: Path) -> None:
    page_of(tmp_path, continues=False).put("second", Section("Two", ["later"], [{"data": "b"}]))
    page_of(tmp_path, continues=True).put(
        "first", Section("One", ["sooner", "", "", ""], [{"data": "a"}], {"extra": 5})
    )
    text = (tmp_path / "QUALITY.md").read_text()
    assert text.endswith("## One\n\nsooner\n\n## Two\n\nlater\n")
    told = json.loads((tmp_path / "build" / "quality.json").read_text())
    assert told["rows"] == [{"data": "a"}, {"data": "b"}]
    assert told["extra"] == 5


def test_a_whole_run_forgets_what_earlier_ones_measured(tmp_path: Path) -> None:
    page_of(tmp_path, continues=False).put("second", Section("Two", ["later"]))
    page_of(tmp_path, continues=False).put("first", Section("One", ["sooner"]))
    assert "Two" not in (tmp_path / "QUALITY.md").read_text()


def test_a_chart_is_an_image_with_every_point(tmp_path: Path) -> None:
    path = tmp_path / "pictures" / "chart.svg"
    write_chart(path, "hit rate", [Point("fresh", 7.0, 6.5, 7.5), Point("stale", 3.5, 3.0, 4.0)])
    svg = ElementTree.parse(path).getroot()
    circles = [node for node in svg.iter() if node.tag.endswith("circle")]
    texts = [node.text for node in svg.iter() if node.tag.endswith("text")]
    assert len(circles) == 2
    assert float(circles[0].attrib["cy"]) < float(circles[1].attrib["cy"])
    assert {"hit rate", "fresh", "stale", "7.00", "3.50"} <= set(texts)


def test_data_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(Absent, match=r"needs .*nowhere\.csv\.gz"):
        require(tmp_path / "nowhere.csv.gz")


def test_the_drifting_stream_is_the_same_every_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drifting, "N_EVENTS", 2_000)
    (tmp_path / "again").mkdir()
    one, other = drifting.data_set(tmp_path), drifting.data_set(tmp_path / "again")
    assert one.path.read_bytes() == other.path.read_bytes()
    assert len(one.path.read_bytes().splitlines()) == 2_000
