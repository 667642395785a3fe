"""What a soak came to: memory over time, and whether it stayed within its bounds.

The first quarter of the events is the warm-up: by then every limit is reached. From there on memory is flat if the
median of what the worker takes in the last quarter is no more than an allowance above that of the second quarter, and
if the state itself has not grown by a byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Final

from rich.table import Table

MIB: Final = 1 << 20
N_ROWS: Final = 16
LIKELY_ROWS: Final = ("users", "items", "event_ids")


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at the worker, and at what a reader shows."""

    at_s: float
    n_events: int
    resident_mib: float
    state_mib: float
    rows: Mapping[str, int]
    n_shown: int


@dataclass(frozen=True, slots=True)
class Report:
    samples: Sequence[Sample]
    """While it was flooded."""
    bounds: Mapping[str, int]
    most: Mapping[str, int]
    """Rows of each kind that there were at the most."""
    events_per_s: float
    n_offered: Mapping[str, int]
    n_shown_before: int
    n_shown_after: int
    n_left: int
    n_tombstones: int
    n_failures: int
    allowance: float

    @property
    def n_events(self) -> int:
        return self.samples[-1].n_events

    def quarter(self, number: int) -> Sequence[Sample]:
        """Of the events, 1 … 4."""
        first, end = ((number + k) * self.n_events / 4 for k in (-1, 0))
        return [one for one in self.samples if first < one.n_events <= end]

    @property
    def resident_mib(self) -> tuple[float, float]:
        """Median of the second and of the last quarter."""
        second, last = (median(one.resident_mib for one in self.quarter(number)) for number in (2, 4))
        return second, last

    def problems(self) -> list[str]:
        """What is not as it should be; none if all is well."""
        found = [
            f"{self.n_offered[kind]:,} {kind} would not overflow {bound:,} ten times"
            for kind, bound in self.bounds.items()
            if self.n_offered[kind] < 10 * bound
        ]
        found += [
            f"{self.most[kind]:,} {kind} at the most, {bound:,} allowed" if self.most[kind] > bound
            else f"only {self.most[kind]:,} {kind} at the most: the bound of {bound:,} was never reached"
            for kind, bound in self.bounds.items()
            if self.most[kind] != bound
        ]  # fmt: skip
        if not (self.quarter(2) and self.quarter(4)):
            return [*found, f"too few samples ({len(self.samples)}) to tell whether memory is flat"]
        second, last = self.resident_mib
        if last > second * (1 + self.allowance):
            found.append(
                f"resident memory grew from {second:.0f} to {last:.0f} MiB, more than {self.allowance:.0%}, between "
                "the second and the last quarter"
            )
        state = max(one.state_mib for one in self.quarter(2)), max(one.state_mib for one in self.quarter(4))
        if state[1] > state[0]:
            found.append(f"the state grew from {state[0]:.1f} to {state[1]:.1f} MiB after the warm-up")
        if self.n_shown_after != self.n_left or self.n_tombstones < 2 * (self.n_shown_before - self.n_left):
            found.append(
                f"a reader showed {self.n_shown_before:,} items, and at the end {self.n_shown_after:,} where "
                f"{self.n_left} are left, after {self.n_tombstones:,} tombstones"
            )
        if self.n_failures:
            found.append(f"{self.n_failures} versions or checkpoints failed")
        return found

    def table(self) -> Table:
        """Memory over time, in 80 columns: events in millions, resident memory and the state in MiB, rows."""
        title = f"{self.n_events:,} events, {self.events_per_s:,.0f} a second"
        names = ("10^6", "s", "RSS/MiB", "state", "users", "items", "ids", "departed", "shown")
        table = Table(*names, title=title, title_justify="left")
        for one in self._thinned():
            rows = (one.rows[kind] for kind in (*LIKELY_ROWS, "departed_items"))
            figures = (str(n) for n in (*rows, one.n_shown))
            memory = f"{one.resident_mib:.0f}", f"{one.state_mib:.0f}"
            table.add_row(f"{one.n_events / 1e6:.2f}", f"{one.at_s:.0f}", *memory, *figures)
        return table

    def summary(self) -> str:
        second, last = self.resident_mib
        return (
            f"resident memory, median: {second:.0f} MiB in the second quarter, {last:.0f} in the last; what a reader "
            f"shows went from {self.n_shown_before:,} items to {self.n_shown_after} by {self.n_tombstones:,} tombstones"
        )

    def write(self, path: Path) -> None:
        second, last = self.resident_mib
        content = {
            "events": self.n_events,
            "events_per_s": round(self.events_per_s),
            "resident_mib_second_quarter": round(second, 1),
            "resident_mib_last_quarter": round(last, 1),
            "allowance": self.allowance,
            "bounds": self.bounds,
            "most": self.most,
            "offered": self.n_offered,
            "shown_before": self.n_shown_before,
            "shown_after": self.n_shown_after,
            "tombstones": self.n_tombstones,
            "problems": self.problems(),
            "samples": [asdict(one) for one in self.samples],
        }
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def _thinned(self) -> Sequence[Sample]:
        step = max(1, len(self.samples) // N_ROWS)
        return [*self.samples[:-1][::step], self.samples[-1]]
