"""`freshrank checkpoints` and `freshrank rollback`: what they list, ask for and refuse."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from consumer.checkpoints import contents, requests
from consumer.checkpoints.contents import GOOD, HELD
from consumer.checkpoints.listing import CONTENTS
from consumer.checkpoints.local_store import REQUEST, LocalStore
from consumer.checkpoints.requests import RollbackRequest
from consumer.settings import Settings
from tests.checkpoints.states import notes_of
from tests.cli.conftest import Ended, Freshrank
from tests.end_to_end.waiting import until


@dataclass
class Saved:
    """Checkpoints on disk: version 4 went out, version 7 was held."""

    folder: Path

    def save(self, version: int, verdict: str, request: str = "") -> str:
        store = LocalStore(self.folder)
        notes = msgspec.structs.replace(
            notes_of(Settings(), version, epoch=2, position=100 * version),
            verdict=verdict,
            quality={"hit_ratio": 0.25, "mrr": 0.1},
            request=request,
        )
        name = contents.name_of(notes)
        store.begin(None)
        store.write_array("numbers", np.zeros(1 << 16))
        store.commit(name, contents.encode(notes))
        return name


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "checkpoints"
    monkeypatch.setenv("FRESHRANK__CHECKPOINTS__DIRECTORY", str(folder))
    return folder


@pytest.fixture
def saved(folder: Path) -> Saved:
    saved = Saved(folder)
    saved.save(4, GOOD)
    saved.save(7, HELD)
    return saved


def assert_fault(ended: Ended, said: str) -> None:
    assert (ended.code, ended.out) == (1, "")
    assert said in ended.err
    assert "Traceback" not in ended.err


def test_the_list_shows_a_line_a_checkpoint(freshrank: Freshrank, saved: Saved) -> None:
    ended = freshrank("checkpoints")
    assert (ended.code, ended.err) == (0, "")
    title, header, *rows = ended.out.splitlines()
    assert title.startswith(f"checkpoints in {saved.folder}, oldest first")
    assert header.split() == ["version", "epoch", "saved", "at", "verdict", "hit", "ratio", "positions", "MiB"]
    assert [row.split() for row in rows] == [
        ["1", "4", "2", "2026-11-23T10:15:00Z", "good", "0.2500", "0:400", "0.5"],
        ["2", "7", "2", "2026-11-23T10:15:00Z", "held", "0.2500", "0:700", "0.5"],
    ]


def test_as_json_it_has_what_a_script_needs(freshrank: Freshrank, saved: Saved) -> None:
    listed = json.loads(freshrank("checkpoints", "--json").out)["checkpoints"]
    assert [(c["version"], c["verdict"], c["positions"], c["bytes"]) for c in listed] == [
        (4, "good", {"0": 400}, 8 << 16),
        (7, "held", {"0": 700}, 8 << 16),
    ]
    assert sorted(path.name for path in saved.folder.iterdir()) == [c["checkpoint"] for c in listed]


def test_a_damaged_one_is_named_and_left_out(freshrank: Freshrank, saved: Saved) -> None:
    name = saved.save(5, GOOD)
    (saved.folder / name / CONTENTS).write_text("{")
    ended = freshrank("checkpoints", "--json")
    assert ended.code == 0
    assert f"warning: damaged, and left out: {name}" in ended.err
    assert [c["version"] for c in json.loads(ended.out)["checkpoints"]] == [4, 7]


def test_before_the_first_one_the_list_says_so(freshrank: Freshrank, folder: Path) -> None:
    folder.mkdir()
    assert freshrank("checkpoints") == Ended(0, f"no checkpoints in {folder} yet\n", "")


@pytest.mark.parametrize("command", ["checkpoints", "rollback"])
def test_a_directory_that_is_not_there_is_told_and_not_made(freshrank: Freshrank, folder: Path, command: str) -> None:
    assert_fault(freshrank(command), f"{folder} cannot be read: No such file or directory. Has a worker run with")
    assert not folder.exists()


@pytest.mark.parametrize("command", ["checkpoints", "rollback"])
def test_a_file_in_place_of_the_directory_is_told(freshrank: Freshrank, folder: Path, command: str) -> None:
    folder.write_text("")
    assert_fault(freshrank(command), f"{folder} cannot be read: Not a directory")


def test_a_rollback_without_a_worker_stays_asked_for(freshrank: Freshrank, saved: Saved) -> None:
    ended = freshrank("rollback", "--wait", 0)
    assert (ended.code, ended.err) == (0, "")
    asked = requests.decode((saved.folder / REQUEST).read_bytes())
    assert f"asked for a return to version 4 ({asked.checkpoint})" in ended.out
    assert "no worker has done it yet; one will when it runs" in ended.out
    assert isinstance(asked, RollbackRequest)
    assert not asked.relearn


def test_a_second_one_is_refused_and_the_first_stays(freshrank: Freshrank, saved: Saved) -> None:
    freshrank("rollback", "--wait", 0, "--to", 7, "--relearn")
    first = (saved.folder / REQUEST).read_bytes()
    assert_fault(freshrank("rollback"), f"To take it back, remove {saved.folder / REQUEST}")
    assert (saved.folder / REQUEST).read_bytes() == first
    asked = requests.decode(first)
    assert isinstance(asked, RollbackRequest)
    assert asked.relearn


def test_a_version_without_a_checkpoint_is_told_with_those_that_have_one(freshrank: Freshrank, saved: Saved) -> None:
    assert_fault(freshrank("rollback", "--to", 6), "no checkpoint of version 6 (versions with a checkpoint: 4, 7)")
    assert not (saved.folder / REQUEST).exists()


def test_where_none_was_good_a_version_has_to_be_named(freshrank: Freshrank, saved: Saved) -> None:
    (good,) = saved.folder.glob("*-000000000000004-*")
    shutil.rmtree(good)
    assert_fault(freshrank("rollback"), "no good checkpoint to return to (versions with a checkpoint: 7)")
    assert freshrank("rollback", "--to", 7, "--wait", 0).code == 0


def answered(freshrank: Freshrank, saved: Saved, act: Callable[[str], object]) -> Ended:
    """A rollback while a worker takes the request's id, acts, and takes the request away."""
    store = LocalStore(saved.folder)

    def work() -> None:
        until(lambda: (saved.folder / REQUEST).exists(), "a rollback is asked for", 20)
        act(requests.decode((saved.folder / REQUEST).read_bytes()).id)
        store.drop_request()

    worker = threading.Thread(target=work)
    worker.start()
    ended = freshrank("rollback", "--wait", 20)
    worker.join()
    return ended


def test_it_waits_until_the_worker_has_done_it(freshrank: Freshrank, saved: Saved) -> None:
    ended = answered(freshrank, saved, lambda request: saved.save(7, "unproven", request))
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.endswith("done: the worker goes on from there\n")


def test_one_that_the_worker_could_not_do_is_a_fault(freshrank: Freshrank, saved: Saved) -> None:
    ended = answered(freshrank, saved, lambda request: None)
    assert ended.code == 1
    assert "the worker could not do it; its log says why" in ended.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("rollback", "--to", "last"), "'--to': Input should be a valid integer"),
        (("rollback", "--wait", "-1"), "'--wait': Input should be greater than or equal to 0"),
        (("checkpoints", "of-today"), "unexpected extra argument"),
    ],
)
def test_wrong_usage_is_told_with_the_option(freshrank: Freshrank, arguments: tuple[str, ...], said: str) -> None:
    ended = freshrank(*arguments)
    assert ended.code == 2
    assert said in ended.err


@pytest.mark.parametrize(
    ("command", "names"), [("checkpoints", ["--config", "--json"]), ("rollback", ["--to", "--relearn", "--wait"])]
)
def test_the_help_names_every_option_and_the_exit_codes(freshrank: Freshrank, command: str, names: list[str]) -> None:
    ended = freshrank(command, "--help")
    assert ended.code == 0
    for name in [*names, "Exit codes: 0 done"]:
        assert name in ended.out
