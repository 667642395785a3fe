"""Damage on a real disk, and files that somebody else put there."""

from __future__ import annotations

import errno
import os
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from consumer.checkpoints import erasures, exchange, listing
from consumer.checkpoints.listing import Entry
from consumer.checkpoints.local_store import LocalStore
from consumer.errors import CorruptCheckpoint, Fatal
from consumer.tables import Array
from tests.checkpoints.stores import flip_bit, name_of, require_same, save
from tests.fakes.calls import Crash

ARRAYS: dict[str, Array] = {"t.a": np.arange(1_000), "t.b": np.ones((10, 3), np.float32)}
FILES = ("contents.json", "t.a", "t.b")


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    made = LocalStore(tmp_path)
    save(made, name_of(1), ARRAYS)
    return made


def listed(tmp_path: Path, arrays: dict[str, Entry], notes: bytes = b"{}") -> None:
    """Checkpoint 1 says that it holds these arrays."""
    (tmp_path / name_of(1) / "contents.json").write_bytes(listing.encode(arrays, notes))


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("damage", ["truncated", "longer", "flipped", "missing", "empty", "a directory"])
def test_damage_to_any_file_is_noticed(store: LocalStore, tmp_path: Path, file: str, damage: str) -> None:
    path = tmp_path / name_of(1) / file
    if damage == "truncated":
        os.truncate(path, path.stat().st_size - 1)
    elif damage == "longer":
        path.write_bytes(path.read_bytes() + b"x")
    elif damage == "flipped":
        flip_bit(path)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
        if damage == "a directory":
            path.mkdir()
    with pytest.raises(CorruptCheckpoint, match=name_of(1)):
        store.arrays(name_of(1))


def test_a_crash_before_the_rename_leaves_what_was_there(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(path: Path, target: Path) -> None:
        raise Crash

    monkeypatch.setattr(Path, "rename", crash)
    with pytest.raises(Crash):
        save(store, name_of(2), {"a": np.zeros(3)})
    monkeypatch.undo()
    after = LocalStore(tmp_path)
    assert after.names() == [name_of(1)]
    require_same(after.arrays(name_of(1)), ARRAYS)
    save(after, name_of(2), {"a": np.zeros(3)})
    assert after.names() == [name_of(1), name_of(2)]


def test_a_checkpoint_of_the_same_moment_may_be_written_again(store: LocalStore) -> None:
    save(store, name_of(1), {"a": np.zeros(3)})
    require_same(store.arrays(name_of(1)), {"a": np.zeros(3)})


def test_what_dead_processes_left_is_cleared_away_after_a_day(store: LocalStore, tmp_path: Path) -> None:
    for name, age_s in (("unfinished-old", 100_000), ("removed-old", 100_000), ("unfinished-new", 10)):
        (tmp_path / name).mkdir()
        at_s = (tmp_path / name_of(1)).stat().st_mtime - age_s
        os.utime(tmp_path / name, (at_s, at_s))
    store.begin(None)
    left = {path.name for path in tmp_path.iterdir() if path.name.endswith(("old", "new"))}
    assert left == {"unfinished-new"}


def test_other_things_in_the_directory_are_no_checkpoints(store: LocalStore, tmp_path: Path) -> None:
    for name in ("checkpoint-copy", "checkpoint-", "lost+found", "removed-1"):
        (tmp_path / name).mkdir()
    (tmp_path / name_of(2)).write_text("a file")
    assert store.names() == [name_of(1)]


def test_a_directory_that_can_be_written_passes_the_probe_and_keeps_nothing_of_it(
    store: LocalStore, tmp_path: Path
) -> None:
    before = sorted(tmp_path.iterdir())
    store.require_writable()
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("failing", ["mkdir", "write_bytes"])
def test_a_directory_that_cannot_be_written_is_fatal_with_the_reason(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, failing, refuse)
    with pytest.raises(Fatal, match=rf"{tmp_path}: Read-only file system\. .*checkpoints\.directory"):
        store.require_writable()


def test_a_directory_that_cannot_be_made_is_fatal_and_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Fatal, match=r"checkpoint directory .*file/checkpoints cannot be made"):
        LocalStore(tmp_path / "file" / "checkpoints")


@pytest.mark.parametrize(
    "array",
    [
        "contents.json",
        "../../outside",
        "/etc/passwd",
        "..",
        ".",
        "",
        "a/b",
        "a\x00b",
        "a..b",
        "contents.json/x",
        "new\nline",
    ],
)
def test_a_name_that_leads_out_of_the_checkpoint_is_refused(store: LocalStore, tmp_path: Path, array: str) -> None:
    listed(tmp_path, {array: Entry("|u1", (4,), 0)})
    with pytest.raises(CorruptCheckpoint, match="is not the name of an array"):
        store.arrays(name_of(1))
    with pytest.raises(OSError, match="is not the name of an array"):
        store.begin(name_of(1))


@pytest.mark.parametrize(
    ("dtype", "shape", "complaint"),
    [
        ("|O8", (1,), "type"), ("<U4", (1,), "type"), (">i8", (1_000,), "type"), ("<i3", (1,), "type"),
        ("", (1,), "type"),
        ("<i8", (-1_000,), "impossible shape"), ("<i8", (-1, -1_000), "impossible shape"),
        ("<i8", (1 << 62, 4), "impossible shape"), ("<i8", (1 << 62, 1 << 62, 0), "impossible shape"),
        ("<i8", (1 << 70, 0), "impossible shape"), ("<i8", (1,) * 100, "impossible shape"),
        ("<i8", (1 << 35,), "bytes where"), ("<i8", (2_000,), "bytes where"),
        ("<f8", (1_000, 0), "bytes where"),
    ],
)  # fmt: skip
def test_a_type_or_shape_that_cannot_be_right_is_refused_before_memory_is_spent(
    store: LocalStore, tmp_path: Path, dtype: str, shape: tuple[int, ...], complaint: str
) -> None:
    listed(tmp_path, {"t.a": Entry(dtype, shape, 0)})
    with pytest.raises(CorruptCheckpoint, match=complaint):
        store.arrays(name_of(1))


@pytest.mark.parametrize(
    "contents",
    [
        b"", b"{}", b"[]", b"null", b'{"crc32": 0, "contents": 5}', b'{"crc32": 1, "contents": "{}"}', b"\xff\xfe",
        b'{"crc32": 2745614147, "contents": "{}"}', b'{"crc32": 223132457, "contents": "[]"}',
    ],
)  # fmt: skip
def test_contents_of_another_kind_are_refused(store: LocalStore, tmp_path: Path, contents: bytes) -> None:
    (tmp_path / name_of(1) / "contents.json").write_bytes(contents)
    with pytest.raises(CorruptCheckpoint):
        store.notes(name_of(1))


def test_a_later_format_is_refused_by_its_number(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FORMAT", 2)
    listed(tmp_path, {})
    monkeypatch.undo()
    with pytest.raises(CorruptCheckpoint, match="format 2 is not known to this version, which reads 1"):
        store.notes(name_of(1))


NAMES_THAT_LEAD_OUT = (
    "../elsewhere/{0}", "{0}/../../elsewhere/{0}", "{0}/../{0}", "./{0}", "{outside}/{0}", "elsewhere", "", ".", "..",
    "{0}\x00", "{0}\n", "{0}/",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES_THAT_LEAD_OUT)
def test_a_checkpoint_is_looked_for_in_the_directory_only(tmp_path: Path, name: str) -> None:
    """A request to roll back names one, in a file that somebody else may have written."""
    inside, outside = LocalStore(tmp_path / "inside"), LocalStore(tmp_path / "elsewhere")
    for store in (inside, outside):
        save(store, name_of(1), ARRAYS)
    named = name.format(name_of(1), outside=tmp_path / "elsewhere")
    for read in (inside.notes, inside.arrays, inside.n_bytes, partial(inside.array, array="t.a")):
        with pytest.raises(CorruptCheckpoint, match="is not the name of a checkpoint"):
            read(named)


@pytest.mark.parametrize("name", ["", ".", "..", "../elsewhere", "inner/part", "/"])
def test_a_replay_is_looked_for_among_the_replays_only(store: LocalStore, tmp_path: Path, name: str) -> None:
    for folder in ("elsewhere", "replays/inner/part"):
        (tmp_path / folder).mkdir(parents=True)
    assert store.replay("inner").names() == []
    with pytest.raises(Fatal, match="there is no replay"):
        store.replay(name)


def test_what_is_rewritten_leaves_nothing_of_what_it_was(store: LocalStore, tmp_path: Path) -> None:
    store.rewrite(name_of(1), {"t.a": (np.array([5]), np.array([0]))}, b"{}")
    assert [path.name for path in tmp_path.iterdir()] == [name_of(1)]


@pytest.mark.parametrize("file", ["t.a", "t.b"])
def test_one_that_lacks_a_file_is_not_rewritten(store: LocalStore, tmp_path: Path, file: str) -> None:
    (tmp_path / name_of(1) / file).unlink()
    with pytest.raises(CorruptCheckpoint, match=file):
        store.rewrite(name_of(1), {"t.a": (np.array([5]), np.array([0]))}, b"{}")


def test_one_that_was_killed_while_it_was_rewritten_is_as_it_was(
    store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise Crash

    monkeypatch.setattr("consumer.checkpoints.local_store.exchange", die)
    with pytest.raises(Crash):
        store.rewrite(name_of(1), {"t.a": (np.array([5]), np.array([0]))}, b"{}")
    require_same(LocalStore(tmp_path).arrays(name_of(1)), ARRAYS)


@pytest.mark.parametrize("at_once", [True, False])
def test_two_directories_exchange_their_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: bool) -> None:
    if not at_once:
        monkeypatch.setattr(exchange, "_at_once", lambda one, other: False)
    one, other = tmp_path / "one", tmp_path / "other"
    for path in (one, other):
        path.mkdir()
        (path / "was").write_text(path.name)
    exchange.exchange(one, other)
    assert ((one / "was").read_text(), (other / "was").read_text()) == ("other", "one")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "other"]


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("kind", ["link", "device", "pipe"])
def test_what_is_no_regular_file_is_never_opened(store: LocalStore, tmp_path: Path, file: str, kind: str) -> None:
    path = tmp_path / name_of(1) / file
    if kind == "link":  # to what it was
        path.rename(tmp_path / "elsewhere")
        path.symlink_to(tmp_path / "elsewhere")
    elif kind == "device":
        path.unlink()
        path.symlink_to("/dev/zero")
    else:
        path.unlink()
        os.mkfifo(path)
    for read in (lambda: store.arrays(name_of(1)), lambda: LocalStore(tmp_path).begin(name_of(1))):
        with pytest.raises((CorruptCheckpoint, OSError), match="no regular file"):
            read()


def test_an_empty_array_is_no_reason_to_read_a_device(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / name_of(1) / "z").symlink_to("/dev/zero")  # its size is said to be 0
    listed(tmp_path, {"z": Entry("|u1", (0,), 0)})
    with pytest.raises(CorruptCheckpoint, match="no regular file"):
        store.arrays(name_of(1))


def test_a_link_to_a_checkpoint_is_none(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / name_of(2)).symlink_to(tmp_path / name_of(1))
    assert store.names() == [name_of(1)]


@pytest.mark.parametrize(
    "name", ["checkpoint-7", "checkpoint-" + "9" * 30 + "-1", "checkpoint-1-2-3-4", "checkpoint-\u0663-1"]
)
def test_a_name_that_no_worker_gives_says_nothing_about_epochs(store: LocalStore, tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    assert store.names() == [name_of(1)]


@pytest.mark.parametrize("name", ["unfinished-x", "removed-x"])
def test_what_cannot_be_cleared_away_stops_no_checkpoint(store: LocalStore, tmp_path: Path, name: str) -> None:
    (tmp_path / name).symlink_to(tmp_path / name_of(1))
    os.utime(tmp_path / name_of(1), (0, 0))
    save(store, name_of(2), {"a": np.zeros(3)})
    assert store.names() == [name_of(1), name_of(2)]


def test_contents_with_holes_are_not_read(store: LocalStore, tmp_path: Path) -> None:
    os.truncate(tmp_path / name_of(1) / "contents.json", 1 << 40)
    with pytest.raises(CorruptCheckpoint, match="more than"):
        store.notes(name_of(1))


def test_arrays_that_no_memory_holds_are_not_read(store: LocalStore, tmp_path: Path) -> None:
    os.truncate(tmp_path / name_of(1) / "t.a", 1 << 43)
    listed(tmp_path, {"t.a": Entry("<i8", (1 << 40,), 0)})
    with pytest.raises(CorruptCheckpoint, match="and this machine has"):
        store.arrays(name_of(1))


@pytest.mark.parametrize("kind", ["directory", "pipe", "holes", "link"])
def test_a_request_that_is_no_small_file_reads_as_an_empty_one(store: LocalStore, tmp_path: Path, kind: str) -> None:
    put(tmp_path / "request.json", kind)
    assert store.request() == b""


@pytest.mark.parametrize("kind", ["directory", "pipe", "holes", "link"])
def test_a_request_to_forget_that_is_no_small_file_is_told_and_forgets_nobody(
    store: LocalStore, tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    (tmp_path / "erasures").mkdir()
    put(tmp_path / "erasures" / "000000000001.json", kind)
    assert erasures.requests_after(store, 0) == [(1, erasures.NOBODY)]
    assert [record.message for record in caplog.records] == ["a request to forget users cannot be read; ask again"]


def put(path: Path, kind: str) -> None:
    if kind == "directory":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/dev/zero")
    else:
        path.touch()
        os.truncate(path, 1 << 40)
