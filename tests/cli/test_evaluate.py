"""`freshrank evaluate`: any file by mapping alone, and what is said of files that cannot be used."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from consumer.learning import quality
from tests.cli.conftest import Ended, Freshrank

N_ROWS = 400
DATA = Path(__file__).parents[2].parent / "shared" / "data"
CLICKS = ("--map", "user_id=visitor", "--map", "item_id=sku", "--map", "event_type=what", "--time-column", "at")
OF_CLICKS = (*CLICKS, "--time-format", "epoch_seconds", "--type-map", "pv=view", "--type-map", "buy=purchase")


def clicks() -> list[dict[str, Any]]:
    """Shoppers who walk through one of ten shelves from item to item."""
    return [
        {
            "visitor": f"v{i % 20}",
            "sku": f"shelf-{i % 20 % 10}-{i // 20 % 5}",
            "what": "buy" if i % 11 == 0 else "pv",
            "at": 1_760_000_000 + 60 * i,
        }
        for i in range(N_ROWS)
    ]


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "clicks.csv"
    rows = clicks()
    path.write_text("\n".join([",".join(rows[0]), *(",".join(map(str, row.values())) for row in rows)]) + "\n")
    return path


def told(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out)
    return found


def row_of(found: dict[str, Any], member: str, targets: str = "all") -> dict[str, Any]:
    (row,) = (r for r in found["rows"] if (r["member"], r["targets"]) == (member, targets))
    return dict(row)


def test_help_shows_examples(freshrank: Freshrank) -> None:
    ended = freshrank("evaluate", "--help")
    assert ended.code == 0
    assert "freshrank evaluate clicks.csv --map user_id=visitorid" in ended.out


def test_a_file_with_other_column_names_works_by_mapping_alone(freshrank: Freshrank, csv_file: Path) -> None:
    found = told(freshrank("evaluate", csv_file, *OF_CLICKS, "--json"))
    assert found["outcomes"] == {"admitted": N_ROWS}
    assert found["items"] == 50
    assert found["users"] == 20
    row = row_of(found, "ensemble")
    assert row["questions"] == N_ROWS - 20
    assert 0.5 < row["recall_10"] <= row["recall_20"] <= 1.0
    assert row["intervals"]["recall_20"]["low"] <= row["recall_20"] <= row["intervals"]["recall_20"]["high"]


def test_csv_and_compressed_ndjson_give_the_same(freshrank: Freshrank, csv_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "clicks.ndjson.gz"
    path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in clicks()).encode()))
    one, other = (told(freshrank("evaluate", file, *OF_CLICKS, "--json")) for file in (csv_file, path))
    for found in (one, other):
        for row in found["rows"]:
            del row["data"], row["learn_us"], row["query_us"]
    assert one["rows"] == other["rows"]


def test_columns_are_found_by_the_settings_names_of_an_input_topic(
    freshrank: Freshrank, csv_file: Path, tmp_path: Path
) -> None:
    config = tmp_path / "shop.yaml"
    config.write_text(
        "input:\n  fields: {user_id: visitor, item_id: sku, event_type: what, event_time: at}\n"
        "  time_format: epoch_seconds\n  event_types: {pv: 1, buy: 10}\n"
    )
    assert told(freshrank("evaluate", csv_file, "-c", config, "--json"))["outcomes"] == {"admitted": N_ROWS}


def test_every_member_that_is_on_and_the_ensemble_are_shown_with_speed_and_memory(
    freshrank: Freshrank, csv_file: Path
) -> None:
    ended = freshrank("evaluate", csv_file, *OF_CLICKS)
    assert (ended.code, ended.err) == (0, "")
    shown = {member for member in quality.MEMBERS if member in ended.out}
    assert shown == set(quality.MEMBERS) - {"session_knn", "linear", "neural"}
    assert "µs a learned event" in ended.out
    assert "MiB for 50 items and 20 users" in ended.out
    assert "targets other than the item just before" in ended.out


def test_columns_can_be_features_of_a_linear_model(freshrank: Freshrank, csv_file: Path, tmp_path: Path) -> None:
    config = tmp_path / "linear.yaml"
    config.write_text("models:\n  linear:\n    enabled: true\n")
    linear = ("evaluate", csv_file, *OF_CLICKS, "-c", config, "--features", "what,at")
    assert row_of(told(freshrank(*linear, "--numbers", "at", "--json")), "linear")["questions"] > 0
    ended = freshrank(*linear, "--numbers", "what")
    assert (ended.code, "column 'what': 'buy' is no finite number" in ended.err) == (1, True)


def test_one_member_can_be_shown_alone(freshrank: Freshrank, csv_file: Path) -> None:
    found = told(freshrank("evaluate", csv_file, *OF_CLICKS, "--member", "repeat", "--json"))
    assert {row["member"] for row in found["rows"]} == {"repeat"}


def test_targets_can_be_restricted_to_event_types(freshrank: Freshrank, csv_file: Path) -> None:
    found = told(freshrank("evaluate", csv_file, *OF_CLICKS, "--event-types", "purchase", "--json"))
    n_purchases = sum(row["what"] == "buy" for row in clicks()[20:])
    assert row_of(found, "ensemble")["questions"] == n_purchases


def test_periods_are_averaged(freshrank: Freshrank, csv_file: Path) -> None:
    days = ("--protocol", "periods", "--period-days", "0.1")
    found = told(freshrank("evaluate", csv_file, *OF_CLICKS, *days, "--json"))
    assert found["periods"] == 2
    assert row_of(found, "ensemble")["questions"] > 0


def test_a_bad_row_is_named_with_its_number_and_value(freshrank: Freshrank, csv_file: Path) -> None:
    csv_file.write_text(csv_file.read_text() + "v1,,pv,1760000000\n")
    ended = freshrank("evaluate", csv_file, *OF_CLICKS)
    assert ended.code == 1
    assert f"clicks.csv, row {N_ROWS + 1}: column 'sku' (item_id): ''" in ended.err


def test_a_row_that_a_worker_would_refuse_is_named_too(freshrank: Freshrank, csv_file: Path) -> None:
    csv_file.write_text(csv_file.read_text() + "v1,a,pv,5\n")
    ended = freshrank("evaluate", csv_file, *OF_CLICKS)
    assert ended.code == 1
    assert f"clicks.csv, row {N_ROWS + 1}: time_out_of_range: event_time" in ended.err


def test_bad_rows_can_be_skipped_and_are_counted(freshrank: Freshrank, csv_file: Path) -> None:
    csv_file.write_text(csv_file.read_text() + "oops\nv1,a,pv,5\n")
    ended = freshrank("evaluate", csv_file, *OF_CLICKS, "--skip-bad-rows")
    assert ended.code == 0
    assert f"bad rows skipped: 2, the first: clicks.csv, row {N_ROWS + 1}: 1 columns instead of 4" in ended.err


@pytest.mark.parametrize("content", ["", "visitor,sku,what,at\n"])
def test_an_empty_file_says_so(freshrank: Freshrank, tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty.csv"
    path.write_text(content)
    ended = freshrank("evaluate", path, *OF_CLICKS)
    assert ended.code == (2 if not content else 0)
    assert "is empty" in ended.err or "nothing to ask" in ended.err


def test_types_that_nobody_lists_are_told(freshrank: Freshrank, csv_file: Path) -> None:
    ended = freshrank("evaluate", csv_file, *CLICKS, "--time-format", "epoch_seconds")
    assert f"{N_ROWS:,} ignored_type" in ended.out
    assert "nothing to ask" in ended.err


def test_a_file_out_of_order_is_warned_of(freshrank: Freshrank, tmp_path: Path) -> None:
    path = tmp_path / "backwards.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in reversed(clicks())))
    ended = freshrank("evaluate", path, *OF_CLICKS)
    assert "late" in ended.out
    assert "in the order of time?" in ended.err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--protocol", "weekly"), "'weekly' is none of prequential, periods"),
        (("--period-days", "0"), "--period-days must be above 0"),
        (("--map", "user_id"), "--map takes NAME=NAME"),
        (("--map", "item_id=thing"), "no column 'thing'; the file has visitor, sku, what, at"),
        ((*OF_CLICKS, "--event-types", "bought"), "no event type bought; the settings have view, cart, purchase"),
        ((*OF_CLICKS, "--event-types", "remove_from_cart"), "enter no history"),
        ((*OF_CLICKS, "--member", "oracle"), "no member 'oracle'; there are ensemble, item_to_item"),
    ],
)
def test_what_cannot_be_done_as_asked_ends_with_2(
    freshrank: Freshrank, csv_file: Path, arguments: tuple[str, ...], problem: str
) -> None:
    ended = freshrank("evaluate", csv_file, *arguments)
    assert ended.code == 2
    assert problem in ended.err
    assert "Traceback" not in ended.err


def test_a_missing_file_is_said_in_plain_words(freshrank: Freshrank, tmp_path: Path) -> None:
    ended = freshrank("evaluate", tmp_path / "nowhere.csv")
    assert ended.code == 2
    assert "nowhere.csv cannot be read: No such file" in ended.err


REES46 = ("--map", "item_id=product_id", "--map", "session_id=user_session", "--time-format", "%Y-%m-%d %H:%M:%S UTC")
TAOBAO = (
    *("--columns", "user_id,item_id,category_id,behaviour,epoch_seconds", "--map", "event_type=behaviour"),
    *("--time-column", "epoch_seconds", "--time-format", "epoch_seconds"),
    *("--type-map", "pv=view", "--type-map", "fav=view", "--type-map", "buy=purchase"),
)


@pytest.mark.parametrize(
    ("file", "arguments", "n_admitted"),
    [
        ("rees46_2019_oct_head.csv.gz", (*REES46, "--skip-bad-rows"), 17_434),  # the last line is cut off
        ("taobao_userbehavior.csv.gz", TAOBAO, 96_168),
    ],
    ids=["rees46", "taobao"],
)
def test_recorded_shops_work_by_mapping_alone(
    freshrank: Freshrank, file: str, arguments: tuple[str, ...], n_admitted: int
) -> None:
    if not (DATA / file).exists():
        pytest.skip(f"needs {DATA / file}")
    found = told(freshrank("evaluate", DATA / file, *arguments, "--json"))
    assert found["outcomes"] == {"admitted": n_admitted}
    assert row_of(found, "ensemble")["recall_20"] > row_of(found, "popularity")["recall_20"]
    assert row_of(found, "ensemble", "non_repeat")["questions"] < row_of(found, "ensemble")["questions"]
