"""The state in a worker's newest checkpoint, in a form in which two runs can be compared bit for bit."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from consumer.checkpoints import contents
from consumer.checkpoints.contents import Notes
from consumer.checkpoints.local_store import LocalStore

Arrays = Mapping[str, NDArray[np.generic]]

HEAD, N_IDS = 2, 3  # entries of `admission.clock`
PACED = ("published.", "departed.", "items.changed")
"""What depends on when versions went out, as it must: what readers hold, and how much has changed since they do."""


def newest(directory: Path) -> tuple[Notes, Arrays]:
    """Notes and arrays of the newest checkpoint."""
    store = LocalStore(directory)
    name = store.names()[-1]
    return contents.decode(name, store.notes(name)), store.arrays(name)


def learned_and_admitted(arrays: Arrays) -> dict[str, NDArray[np.generic]]:
    """All state that the stream alone determines: everything but `PACED`.

    The window of event ids is given in its order of arrival: where in the ring it lies depends on how the stream was
    cut into batches, since a ring grows by a batch.
    """
    state = {name: array for name, array in arrays.items() if not name.startswith(PACED)}
    clock = state["admission.clock"].copy()
    ring = [name for name in state if name.startswith("window.")]
    order = (int(clock[HEAD]) + np.arange(int(clock[N_IDS]))) % len(state[ring[0]])
    clock[HEAD] = 0
    return {**state, **{name: state[name][order] for name in ring}, "admission.clock": clock}


def differences(one: Mapping[str, NDArray[np.generic]], other: Mapping[str, NDArray[np.generic]]) -> dict[str, str]:
    """By array that is not the same to the last bit: how it differs."""
    found = {}
    for name in sorted({*one, *other}):
        a, b = one.get(name), other.get(name)
        if a is None or b is None:
            found[name] = "is in one of them only"
        elif a.dtype != b.dtype or a.shape != b.shape:
            found[name] = f"{a.dtype}{a.shape} and {b.dtype}{b.shape}"
        elif a.tobytes() != b.tobytes():
            rows = [i for i in range(len(a)) if a[i].tobytes() != b[i].tobytes()]
            found[name] = f"{len(rows)} of {len(a)} rows, the first {rows[0]}: {a[rows[0]]} and {b[rows[0]]}"
    return found
