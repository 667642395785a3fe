"""`freshrank replay FILE`: the same history from any kind of file, by the command itself; no broker is needed."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec  # type: ignore[import-untyped] # ships no types
import numpy as np
import pyarrow as pa  # type: ignore[import-untyped] # nor does it
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
import yaml

from consumer.checkpoints import contents
from consumer.checkpoints.local_store import LocalStore
from tests.cli.conftest import Ended, Freshrank, Started
from tests.end_to_end.states import differences, learned_and_admitted
from tests.end_to_end.waiting import until

N_ROWS = 900
COLUMNS = ("event_id", "user_id", "item_id", "event_type", "event_time")
MAPPED = ("--map", "item_id=sku")


def rows(n: int = N_ROWS, first: int = 0) -> list[dict[str, str]]:
    return [
        {
            "event_id": f"e{k}",
            "user_id": f"user-{k % 13}",
            "sku": f"item-{k % 31}",
            "event_type": "cart" if k % 7 == 0 else "view",
            "event_time": f"{np.datetime64(1_760_000_000 + 40 * k, 's')}Z",
        }
        for k in range(first, first + n)
    ]


def as_csv(path: Path, of: Sequence[Mapping[str, str]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(of[0]))
        writer.writeheader()
        writer.writerows(of)
    return path


def as_ndjson_gz(path: Path, of: Sequence[Mapping[str, str]]) -> Path:
    path.write_bytes(gzip.compress("\n".join(map(json.dumps, of)).encode()))
    return path


def as_parquet(path: Path, of: Sequence[Mapping[str, str]]) -> Path:
    pq.write_table(pa.Table.from_pylist(list(of)), path)
    return path


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "shop.yaml"
    settings = {
        "model": "shop",
        "kafka": {"bootstrap_servers": "127.0.0.1:1"},
        "checkpoints": {"directory": str(tmp_path / "checkpoints"), "interval_s": 0.2},
        "evaluation": {"sample_one_in": 5},
    }
    path.write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("FRESHRANK_CONFIG", str(path))
    return path


def told(ended: Ended) -> dict[str, Any]:
    assert ended.code == 0, ended.err
    found: dict[str, Any] = json.loads(ended.out.splitlines()[-1])
    return found


def store_of(tmp_path: Path, name: str) -> LocalStore:
    return LocalStore(tmp_path / "checkpoints").replay(name)


def state_of(tmp_path: Path, name: str) -> dict[str, np.ndarray[Any, Any]]:
    store = store_of(tmp_path, name)
    return learned_and_admitted(store.arrays(store.names()[-1]))


def test_every_kind_of_file_gives_the_same_state(freshrank: Freshrank, tmp_path: Path) -> None:
    storage = fsspec.filesystem("memory")
    files = {
        "from-csv": str(as_csv(tmp_path / "log.csv", rows())),
        "from-ndjson": str(as_ndjson_gz(tmp_path / "log.ndjson.gz", rows())),
        "from-parquet": str(as_parquet(tmp_path / "log.parquet", rows())),
        "from-storage": "memory://bucket/log.parquet",
    }
    storage.pipe("/bucket/log.parquet", (tmp_path / "log.parquet").read_bytes())
    for name, file in files.items():
        said = told(freshrank("replay", file, *MAPPED, "--name", name, "--json"))
        assert said["is_complete"]
        assert said["outcomes"] == {"admitted": N_ROWS}
    first, *others = (state_of(tmp_path, name) for name in files)
    assert all(differences(first, other) == {} for other in others)


def test_several_files_are_merged_in_event_time(freshrank: Freshrank, tmp_path: Path) -> None:
    """One file a partition: late is judged within each, so a file that lies hours behind the other loses nothing."""
    odd, even = as_csv(tmp_path / "odd.csv", rows()[1::2]), as_parquet(tmp_path / "even.parquet", rows()[::2])
    whole = as_csv(tmp_path / "whole.csv", rows())
    told(freshrank("replay", odd, even, *MAPPED, "--name", "two", "--json"))
    told(freshrank("replay", whole, *MAPPED, "--name", "one", "--json"))
    ours, theirs = state_of(tmp_path, "two"), state_of(tmp_path, "one")
    learned = [name for name in theirs if name.startswith(("items.", "popularity.", "users."))]
    different = differences({n: ours[n] for n in learned}, {n: theirs[n] for n in learned})
    assert different == {}
    store = store_of(tmp_path, "two")
    notes = contents.decode("newest", store.notes(store.names()[-1]))
    assert notes.input_positions == {0: N_ROWS // 2, 1: N_ROWS // 2}


def test_a_replay_that_was_stopped_goes_on_in_the_middle_of_the_file(
    freshrank: Freshrank, started: Started, tmp_path: Path
) -> None:
    file = as_csv(tmp_path / "log.csv", rows())
    command = ("replay", file, *MAPPED, "--name", "stopped", "--json")
    with started(*command, "--rate", "200") as process:
        until(lambda: any((tmp_path / "checkpoints" / "replays" / "stopped").glob("checkpoint-*")), "saved", 120)
        process.terminate()
        assert process.wait(60) == 0
    stopped = json.loads((tmp_path / "stdout").read_text().splitlines()[-1])
    assert not stopped["is_complete"]
    assert 0 < stopped["records"] < N_ROWS
    assert told(freshrank(*command))["records"] == N_ROWS - stopped["records"]
    told(freshrank("replay", file, *MAPPED, "--name", "whole", "--json"))
    assert differences(state_of(tmp_path, "stopped"), state_of(tmp_path, "whole")) == {}


def test_a_range_of_times_passes_over_the_rows_outside(freshrank: Freshrank, tmp_path: Path) -> None:
    file = as_csv(tmp_path / "log.csv", rows())
    begin, end = rows()[100]["event_time"], rows()[250]["event_time"]
    said = told(freshrank("replay", file, *MAPPED, "--from", begin, "--to", end, "--json"))
    assert said["outcomes"] == {"admitted": 150}


def test_a_dry_run_tells_rows_and_times_and_learns_nothing(freshrank: Freshrank, tmp_path: Path) -> None:
    file = as_parquet(tmp_path / "log.parquet", rows())
    said = told(freshrank("replay", file, *MAPPED, "--dry-run", "--json"))
    assert said["partitions"] == {
        str(file): {
            "from": 0,
            "to": N_ROWS,
            "records_at_most": N_ROWS,
            "first": rows()[0]["event_time"],
            "last": rows()[-1]["event_time"],
        }
    }
    assert not (tmp_path / "checkpoints").exists()


def test_a_file_whose_time_runs_backwards_is_told(freshrank: Freshrank, tmp_path: Path) -> None:
    ended = freshrank("replay", as_csv(tmp_path / "log.csv", rows()[::-1]), *MAPPED)
    assert ended.code == 0
    assert "time runs backwards: the first record is of 2025" in ended.err
    assert "events came more than input.lateness_s behind others of their partition" in ended.err


def test_files_that_have_changed_since_are_refused(freshrank: Freshrank, tmp_path: Path) -> None:
    file = as_csv(tmp_path / "log.csv", rows())
    told(freshrank("replay", file, *MAPPED, "--json"))
    as_csv(file, rows(N_ROWS + 1))
    ended = freshrank("replay", file, *MAPPED)
    assert ended.code in (1, 2)
    assert "has changed since the replay began" in ended.err
    assert told(freshrank("replay", file, *MAPPED, "--json", "--restart"))["records"] == N_ROWS + 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("log.csv", "--topic", "other"), "are for a topic; files take --from and --to"),
        (("log.csv",), "no column for item_id"),
        (("missing.csv",), "cannot be read: No such file"),
        (("log.bin",), "its name doesn't say what it holds"),
        (("empty.csv", *MAPPED), "holds no row: there is nothing to replay"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(
    freshrank: Freshrank, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    as_csv(tmp_path / "log.csv", rows(10))
    (tmp_path / "empty.csv").write_text("event_id,user_id,sku,event_type,event_time\n")
    ended = freshrank("replay", *arguments)
    assert ended.code in (1, 2)
    assert said in ended.err


def test_bad_rows_stop_it_unless_they_are_to_be_skipped(freshrank: Freshrank, tmp_path: Path) -> None:
    bad = [{**row, "event_time": "yesterday"} if k == 5 else row for k, row in enumerate(rows(10))]
    file = as_csv(tmp_path / "log.csv", bad)
    ended = freshrank("replay", file, *MAPPED)
    assert ended.code in (1, 2)
    assert "log.csv, row 6: column 'event_time': 'yesterday' is no time" in ended.err
    assert told(freshrank("replay", file, *MAPPED, "--skip-bad-rows", "--json"))["records"] == 9


def test_whether_rows_bring_ids_of_their_own_is_kept_with_the_plan(freshrank: Freshrank, tmp_path: Path) -> None:
    with_ids = as_csv(tmp_path / "with.csv", rows(10))
    without = as_csv(tmp_path / "without.csv", [{k: v for k, v in row.items() if k != "event_id"} for row in rows(10)])
    told(freshrank("replay", with_ids, without, *MAPPED, "--json"))
    plan = json.loads((tmp_path / "checkpoints" / "replays" / "shop-replay" / "replay.json").read_text())
    assert [mark["has_event_ids"] for mark in plan["files"]] == [True, False]
    assert [mark["n_rows"] for mark in plan["files"]] == [10, 10]
