"""Checkpoints that somebody changed, with checksums that say they are well: refused, or a state that can be used.

A case is the text of a listing, or a list of changes of a good checkpoint as JSON:

    ["value", "users.head", 5, -1]      a number of an array, the checksum made anew
    ["entry", "users.head", "shape", [1]]   what is listed of an array
    ["rename", "users.head", "../x"]    under which name it is listed
    ["notes", "saved_at", "soon"]       a note
    ["flip", "users.head", 77]          a bit of a file; ["cut", ...] its end from there on"""

from __future__ import annotations

import json
import tempfile
import warnings
import zlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Final

import msgspec
import numpy as np
from hypothesis import strategies as st

from consumer.checkpoints import contents, loading, requests
from consumer.checkpoints.listing import CONTENTS
from consumer.checkpoints.local_store import LocalStore
from consumer.errors import CorruptCheckpoint, Fatal
from consumer.tables import Array
from tests.checkpoints.states import arrays_of, learn, new_state, notes_of, publish
from tests.fuzz.target import Target, mangled, quiet, told
from tests.streams import WITH_ALL, busy_stream, small_settings

SETTINGS: Final = small_settings(models=WITH_ALL, catalogue={"max_items": 100, "item_ttl_s": 2_000.0})
ROWS: Final = busy_stream(seed=5, n=260, n_items=120, n_users=130, step_s=20.0)
N_SAVED: Final = 220

_NUMBERS: Final[Sequence[Any]] = (
    -1, 0, 1, 2, 7, 8, 9, 10, 99, 100, 127, 128, 255, 1_000, 65_536, 10**6, 2**31 - 1, 2**31, -(2**31), 2**32 - 1,
    2**40, 2**53, 2**62, 2**63 - 1, -(2**63), "nan", "inf", "-inf", 1e-300, 1e300, -0.5,
)  # fmt: skip
_VALUES: Final[Sequence[Any]] = (
    *_NUMBERS[:20], None, "", "x", "../x", "|O", "<U8", ">i8", [], [1], [0, 10**30], [-1], [1] * 70, {}, {"a": 1},
    [1 << 40], [1 << 62, 4], "2026-11-23T10:15:00Z", "((((", "-" * 900, True,
)  # fmt: skip
_PIECES: Final = [
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"0",
    b"-1",
    b"9" * 25,
    b"../",
    b"\\u0000",
    b"\xff",
    b"null",
]


class CheckpointTarget(Target):
    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="freshrank-fuzz-")
        self._directory = Path(self._folder.name)

    def check(self, case: bytes) -> int:
        with quiet(), warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # numbers beyond what anything adds up to
            if case[:1] == b"[":
                changes = _changes(case)
                if changes is not None:
                    self._load_changed(changes)
            else:
                self._load(case.decode("utf-8", "surrogateescape"), {})
        return 1

    def cases(self) -> st.SearchStrategy[bytes]:
        arrays = st.sampled_from(sorted(self._arrays))
        places = st.integers(0, 10**6)
        changes = st.one_of(
            st.tuples(st.just("value"), arrays, places, st.sampled_from(_NUMBERS)),
            st.tuples(st.just("value"), arrays, places, st.sampled_from(_NUMBERS)),
            st.tuples(st.just("entry"), arrays, st.sampled_from(["dtype", "shape", "crc32"]), st.sampled_from(_VALUES)),
            st.tuples(st.just("rename"), arrays, st.sampled_from(["../x", "/dev/zero", CONTENTS, "", "a\0", "x"])),
            st.tuples(st.just("notes"), st.sampled_from(contents.Notes.__struct_fields__), st.sampled_from(_VALUES)),
            st.tuples(st.sampled_from(["flip", "cut"]), st.sampled_from([*sorted(self._arrays), CONTENTS]), places),
        )
        several = st.lists(changes, min_size=1, max_size=3).map(lambda made: json.dumps(made).encode())
        return st.one_of(several, several, st.randoms(use_true_random=False).map(self._mangled_listing))

    def seeds(self) -> Sequence[bytes]:
        return [b"[]", self._listing.encode(), b'[["value", "users.head", 5, 1]]']

    def changed(self, random: Random) -> bytes:
        def one() -> list[Any]:
            return ["value", random.choice(self._names), random.randrange(10**6), random.choice(_NUMBERS)]

        return json.dumps([one() for _ in range(random.randrange(1, 3))]).encode()

    def _mangled_listing(self, random: Random) -> bytes:
        return mangled(random, self._listing.encode(), _PIECES)

    def _load_changed(self, changes: Sequence[Sequence[Any]]) -> None:
        listing, files = msgspec.json.decode(self._listing), {}
        notes = json.loads(listing["notes"])
        for change in changes:
            match change:
                case ["value", str(name), int(at), value] if name in self._arrays:
                    array = _with_value(self._arrays[name], at, value)
                    files[name] = array.tobytes()
                    if name in listing["arrays"]:
                        listing["arrays"][name]["crc32"] = zlib.crc32(files[name])
                case ["entry", str(name), str(key), value] if name in listing["arrays"]:
                    listing["arrays"][name][key] = value
                case ["rename", str(name), str(to)] if name in listing["arrays"]:
                    listing["arrays"][to] = listing["arrays"].pop(name)
                case ["notes", str(key), value]:
                    notes[key] = value
                case ["flip" | "cut" as how, str(name), int(at)] if name in self._arrays and self._arrays[name].size:
                    data = bytearray(files.get(name, self._arrays[name].tobytes()))
                    if how == "cut":
                        del data[at % (len(data) + 1) :]
                    elif data:
                        data[at // 8 % len(data)] ^= 1 << at % 8
                    files[name] = bytes(data)
                case _:
                    pass
        listing["notes"] = json.dumps(notes)
        self._load(json.dumps(listing), files)

    def _load(self, listing: str, files: Mapping[str, bytes]) -> None:
        """What a worker does with it, and with the state that it gives."""
        folder = self._saved
        crc = zlib.crc32(listing.encode(errors="surrogateescape"))
        envelope = json.dumps({"crc32": crc, "contents": listing}, ensure_ascii=False)
        (folder / CONTENTS).write_bytes(envelope.encode(errors="surrogateescape"))
        for name, data in files.items():
            (folder / name).write_bytes(data)
        store, state = LocalStore(self._directory), new_state(SETTINGS)
        try:
            requests.readable(store)
            requests.worth_returning_to(store)
            loaded = loading.load_newest(store, SETTINGS, state)
            if loaded is not None:
                _go_on(loaded.notes, state)
        except Fatal as error:
            told(error)
        finally:
            for name in files:
                (folder / name).write_bytes(self._arrays[name].tobytes())

    @cached_property
    def _arrays(self) -> Mapping[str, Array]:
        state = new_state(SETTINGS)
        for start in range(0, N_SAVED, 20):
            learn(state, ROWS[start : start + 20])
            publish(state, SETTINGS, start // 20 + 1)
        return arrays_of(state)

    @cached_property
    def _names(self) -> Sequence[str]:
        return [name for name, array in self._arrays.items() if array.size]

    @cached_property
    def _saved(self) -> Path:
        """The folder of the good checkpoint."""
        store, notes = LocalStore(self._directory), notes_of(SETTINGS)
        store.begin(None)
        for name, array in self._arrays.items():
            store.write_array(name, array)
        store.commit(contents.name_of(notes), contents.encode(notes))
        return self._directory / contents.name_of(notes)

    @cached_property
    def _listing(self) -> str:
        text: str = json.loads((self._saved / CONTENTS).read_bytes())["contents"]
        return json.dumps(json.loads(text))


def _changes(case: bytes) -> Sequence[Sequence[Any]] | None:
    try:
        changes = json.loads(case)
    except (ValueError, RecursionError):
        return None
    return changes if isinstance(changes, list) and all(isinstance(c, list) for c in changes) else None


def _with_value(array: Array, at: int, value: Any) -> Array:
    changed = array.copy()
    if isinstance(value, bool | None) or not isinstance(value, int | float | str):
        return changed
    try:
        number = float(value) if isinstance(value, str) else value
        with np.errstate(all="ignore"):
            changed.reshape(-1)[at % array.size] = np.array(number).astype(array.dtype)
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        return array.copy()
    return changed


def _go_on(notes: contents.Notes, state: loading.AllState) -> None:
    contents.encode(notes)
    try:
        contents.shaped_by("checkpoint", SETTINGS, notes.binding)
    except CorruptCheckpoint as error:
        told(error)
    for start in range(N_SAVED, len(ROWS), 20):
        learn(state, ROWS[start : start + 20])
    publish(state, SETTINGS, 99)
