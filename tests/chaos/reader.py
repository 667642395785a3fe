"""The reader that is there throughout: every version it is shown is held against the ledger."""

from __future__ import annotations

import threading
from typing import Any, NamedTuple

import pytest

from tests.chaos.ledger import Ledger
from tests.end_to_end.follower import Follower
from tests.end_to_end.replica import Manifest, Published, Replica, broken_versions, manifests
from tests.end_to_end.waiting import until


class Seen(NamedTuple):
    version: int
    epoch: int
    positions: dict[int, int]
    as_of: str
    totals: list[float]
    n_waiting: int
    is_whole: bool


class Witness:
    """Begins anew where the output topics do: `begin`, `end`."""

    def __init__(self, published: Published, input_topic: str, ledger: Ledger) -> None:
        self._published = published
        self._input_topic = input_topic
        self._ledger = ledger
        self._lock = threading.Lock()
        self._seen: list[Seen] = []
        self._n_checked = 0
        self._last_version = 0
        self._last_epoch = 0
        self._before = 0
        self._follower: Follower | None = None
        self.n_versions = 0
        """Versions held against the ledger so far."""

    def begin(self) -> None:
        """What was published before lies in topics that may be gone."""
        self._before = max((int(manifest["version"]) for manifest in manifests(self._published)), default=0)
        self._follower = Follower(self._published, on_version=self._note)
        self._follower.__enter__()

    def end(self) -> None:
        """After this the output topics may go away."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.__exit__(None, None, None)
            self.check()

    def leave(self) -> None:
        """At the end of everything: whatever the reader failed of is told elsewhere."""
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.__exit__(KeyboardInterrupt, None, None)

    @property
    def positions(self) -> dict[int, int]:
        """How far the input had been learned in the version shown last."""
        assert self._follower is not None, "no reader is there"
        manifest = self._follower.manifest  # raises what the reader failed of
        return {} if manifest is None else self._positions_of(manifest)

    @property
    def last(self) -> Seen | None:
        with self._lock:
            return self._seen[-1] if self._seen else None

    def catch_up(self) -> None:
        """Until the last version in the log was shown."""
        written = manifests(self._published)
        if written:
            last = int(written[-1]["version"])
            until(lambda: self.last is not None and self.last.version >= last, f"version {last} is shown")

    def check(self) -> None:
        """Hold what was seen since the last time against the ledger: whole, in order, and each event counted once."""
        with self._lock:
            new, self._n_checked = self._seen[self._n_checked :], len(self._seen)
        for seen in new:
            assert seen.is_whole, f"version {seen.version} was shown without all of its rows"
            assert seen.version > self._last_version, f"version {seen.version} came after {self._last_version}"
            assert seen.epoch >= self._last_epoch, f"version {seen.version} is of an older writer"
            expected = self._ledger.totals(seen.positions, seen.as_of)
            assert seen.totals == pytest.approx(expected, rel=1e-9), (
                f"version {seen.version} counts {seen.totals} where {expected} was produced up to {seen.positions}"
            )
            self._last_version, self._last_epoch = seen.version, seen.epoch
            self.n_versions += 1

    def check_log(self) -> None:
        """Of the output topics as they lie: no version is missing or repeated, and each is whole."""
        written = [int(manifest["version"]) for manifest in manifests(self._published)]
        if written:
            assert written == list(range(written[0], written[-1] + 1)), f"versions in the log: {written}"
        assert broken_versions(self._published, self._before) == []

    def require_epochs_in_order(self) -> None:
        """No version of a writer lies behind one of its successor."""
        epochs = [int(manifest["writer"]["epoch"]) for manifest in manifests(self._published)]
        assert epochs == sorted(epochs), f"writers' epochs in the log: {epochs}"

    def _note(self, replica: Replica) -> None:
        manifest = replica.manifest
        assert manifest is not None  # this is called for a version
        totals: Any = manifest["model"]["totals"]
        seen = Seen(
            int(manifest["version"]),
            int(manifest["writer"]["epoch"]),
            self._positions_of(manifest),
            totals["as_of"],
            totals["popularity"],
            sum(manifest["rows_waiting"].values()),
            replica.rows.checksum == manifest["checksum"],
        )
        with self._lock:
            self._seen.append(seen)

    def _positions_of(self, manifest: Manifest) -> dict[int, int]:
        return {int(p): int(at) for p, at in manifest["input_positions"].get(self._input_topic, {}).items()}
