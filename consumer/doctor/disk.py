"""The directory of the checkpoints: whether a worker may write there, how fast it is, and whether it has room."""

from __future__ import annotations

import os
import shutil
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from consumer.checkpoints.local_store import LocalStore
from consumer.doctor.findings import Finding, ok, problem, warning
from consumer.doctor.words import duration, size
from consumer.errors import CorruptCheckpoint
from consumer.events.admission import Admission
from consumer.models import neural
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.snapshots.published import PublishedRows
from consumer.tables import Table

LEAST_FREE_BYTES: Final = 64 << 20
SLOW_SYNC_S: Final = 0.25
BESIDE_NEWEST: Final = 3
"""Checkpoints beside the last `keep`: the last good one, one older than `anchor_s`, and the one being written."""
_PAIR_BYTES: Final = 8
_TRIES: Final = 5
_PIECE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class DiskFacts:
    directory: Path
    exists: bool
    error: str
    """Why nothing can be written there; empty: it can."""
    sync_s: float
    """Writing a MiB and waiting until it is on the medium, in the middle of some tries."""
    free_bytes: int
    newest_bytes: int
    """Of the newest checkpoint; 0: there is none."""


def disk_facts(directory: Path) -> DiskFacts:
    """Writes a small file and removes it; makes no directory, but tries where it would be made."""
    exists = directory.is_dir()
    place = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.exists())
    newest = _newest_bytes(directory) if exists else 0
    free = shutil.disk_usage(place).free if place.exists() else 0
    try:
        return DiskFacts(directory, exists, "", _sync_time(place), free, newest)
    except OSError as error:
        return DiskFacts(directory, exists, error.strerror or str(error), 0.0, free, newest)


def check_disk(facts: DiskFacts, estimate_bytes: int, n_kept: int) -> list[Finding]:
    """`estimate_bytes`: of one checkpoint of a state as large as the settings let it grow."""
    where = f"{facts.directory}{'' if facts.exists else ' (to be made)'}"
    if facts.error:
        advice = "let the worker's user write there, or name another place (checkpoints.directory)"
        return [problem(f"{where}: nothing can be written: {facts.error}", advice)]
    n = n_kept + BESIDE_NEWEST
    needed = estimate_bytes * n
    values = {
        "free_bytes": facts.free_bytes,
        "estimate_bytes": needed,
        "newest_bytes": facts.newest_bytes,
        "sync_s": round(facts.sync_s, 4),
    }
    findings = []
    if facts.free_bytes < max(LEAST_FREE_BYTES, 2 * facts.newest_bytes):
        newest = f", the newest checkpoint has {size(facts.newest_bytes)}" if facts.newest_bytes else ""
        what = f"{where}: {size(facts.free_bytes)} are free{newest}: the next one may not fit"
        findings.append(problem(what, "make room, or name another place (checkpoints.directory)", **values))
    elif facts.free_bytes < needed:
        what = (
            f"{where}: {size(facts.free_bytes)} are free; {n} checkpoints at the limits of catalogue.max_items, "
            f"users.max_users and input.dedupe.max_entries would take {size(needed)}"
        )
        findings.append(warning(what, "give it room for that, or lower those limits or checkpoints.keep", **values))
    if facts.sync_s > SLOW_SYNC_S:
        what = f"{where}: a MiB takes {duration(facts.sync_s)} until it is safe"
        findings.append(warning(what, "use a faster volume, or checkpoints come later than asked for", **values))
    if findings:
        return findings
    return [
        ok(
            f"{where}: writable, a MiB is safe in {duration(facts.sync_s)}, {size(facts.free_bytes)} free; {n} "
            f"checkpoints at the limits of the settings take {size(needed)}",
            **values,
        )
    ]


def estimated_bytes(settings: Settings) -> int:
    """Of a checkpoint with every table as full as the settings allow."""
    most = {
        "items": settings.catalogue.max_items,
        "users": settings.users.max_users,
        "sessions": settings.models.session_knn.sessions,
        "examples": neural.n_examples(settings.models.neural),
        "event_ids": settings.input.dedupe.max_entries,
        "pairs": settings.users.remembered_pairs,
    }
    full = sum(n_bytes * most[kind] for kind, n_bytes in bytes_a_row(settings).items())
    return round(full + sum(array.nbytes for array in ModelState(settings).small().values()))


def bytes_a_row(settings: Settings) -> dict[str, float]:
    """By kind, of all tables that have rows of it."""
    tables = ModelState(settings).tables()
    published = PublishedRows.of(settings.models).table(1)
    found = {kind: _row_bytes(table) for kind, table in tables.items()}
    found["items"] += _row_bytes(published)
    return {**found, "event_ids": _row_bytes(Admission(settings.input).table()), "pairs": _PAIR_BYTES}


def _row_bytes(table: Table) -> float:
    return sum(array.nbytes / len(array) for array in table.arrays.values() if len(array))


def _newest_bytes(directory: Path) -> int:
    store = LocalStore(directory)
    try:
        return store.n_bytes(store.names()[-1]) if store.names() else 0
    except CorruptCheckpoint:
        return 0


def _sync_time(place: Path) -> float:
    taken = []
    with tempfile.NamedTemporaryFile(prefix="freshrank-doctor-", dir=place) as file:
        for _ in range(_TRIES):
            began_s = time.perf_counter()
            file.write(bytes(_PIECE))
            file.flush()
            os.fsync(file.fileno())
            taken.append(time.perf_counter() - began_s)
    return statistics.median(taken)
