"""What the gate remembers from version to version. It depends on when versions went out, and no learned state on it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from consumer.learning.cases import WINDOW
from consumer.messages import Float64Array, Int64Array, UInt8Array
from consumer.tables import Array

# Entries of `counts`.
FIRST_CASE = 0  # pairs begin with this case
NEXT_CASE = 1  # the first case that readers' model has not been asked
WINDOW_MS = 2  # watermark at which the window of the share limit began
FIRST_MS = 3  # watermark of the first version
IS_DRAINING = 4  # a large change is allowed to go out, until nothing of it waits
IS_HELD_FOR_SHARE = 5
N_COUNTS = 6
NEVER = np.iinfo(np.int64).min
LONG_AGO_MS = 0


class GateState:
    """Belongs to every checkpoint: a restart must not let a held version out."""

    def __init__(self) -> None:
        self.place: UInt8Array = np.zeros(WINDOW, np.uint8)  # of case n's item in the published list, at n mod WINDOW
        self.score: Float64Array = np.full(WINDOW, np.nan)  # of that item as published; NaN: not known
        self.counts: Int64Array = np.zeros(N_COUNTS, np.int64)
        self.counts[[WINDOW_MS, FIRST_MS]] = NEVER

    def excuse(self, n_cases: int) -> None:
        """What comes next differs from what is published because somebody wanted it to (a rollback, a promotion, a warm
        start): no share limit until all of it is out, and no pairs from before."""
        self.counts[[FIRST_CASE, NEXT_CASE]] = n_cases
        self.counts[WINDOW_MS] = NEVER
        self.counts[IS_DRAINING] = 1
        self.counts[IS_HELD_FOR_SHARE] = 0

    def go_on_as_another(self, n_cases: int, *, has_published: bool) -> None:
        """The state is a replay's, which has published nothing; readers hold what another one published, if anything.
        They get all of it, and after that the share limit holds as for any model that is not young."""
        self.excuse(n_cases)
        self.counts[FIRST_MS] = LONG_AGO_MS if has_published else NEVER

    def small(self) -> Mapping[str, Array]:
        """For checkpoints."""
        return {
            "published.gate.place": self.place,
            "published.gate.score": self.score,
            "published.gate.counts": self.counts,
        }

    def restore(self, small: Mapping[str, Array]) -> None:
        """Take over the state of a checkpoint."""
        for name, array in self.small().items():
            array[...] = small[name]
