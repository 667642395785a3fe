"""The recorded data sets beside the project, as `freshrank evaluate` reads them."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from consumer.evaluation.evaluate import Evaluated, EvaluationPlan, admitted_batches, evaluate, reads_standard_events
from consumer.events.admission import AdmittedBatch
from consumer.messages import Int64Array
from consumer.recordings.recording import Recording, RecordingPlan
from consumer.recordings.row_files import layout_of
from consumer.recordings.row_mapping import MappingPlan
from consumer.settings import Settings
from producer_tools.records import RecordBlock

DATA = Path(__file__).parents[2].parent / "shared" / "data"
START_MS = 1_451_606_400_000  # 2016-01-01
WEEK_MS = 7 * 86_400_000
BLOCK = 10_000


class Absent(Exception):
    """What is to be measured isn't there; the message says what."""


def require(path: Path) -> None:
    """Raises Absent where the file isn't there."""
    if not path.exists():
        raise Absent(f"needs {path}, which is not there")


@dataclass(frozen=True, slots=True)
class DataSet:
    """A file and what its columns mean."""

    name: str
    path: Path
    mapping: MappingPlan
    columns: tuple[str, ...] = ()
    n_rows: int | None = None  # where the file's end cannot be used

    def evaluated(self, plan: EvaluationPlan, settings: Settings | None = None) -> Evaluated:
        """The whole file, with the default settings unless others are given."""
        with closing(self._recording()) as recording:
            return evaluate(recording, self.path, settings or Settings(), plan)

    def batches(self, settings: Settings) -> Iterator[AdmittedBatch]:
        """As the worker's loop would learn them."""
        with closing(self._recording()) as recording:
            yield from admitted_batches(recording, self.path, reads_standard_events(settings), Evaluated())

    def _recording(self) -> Recording:
        layout = layout_of(self.path, columns=self.columns)
        return Recording(RecordingPlan(self.path, layout, self.mapping, limit=self.n_rows))


REES46 = DataSet(
    "rees46",
    DATA / "rees46_2019_oct_head.csv.gz",
    MappingPlan(columns={"item_id": "product_id", "session_id": "user_session"}, time_format="%Y-%m-%d %H:%M:%S UTC"),
    n_rows=17_434,  # the last line is cut off
)
TAOBAO = DataSet(
    "taobao",
    DATA / "taobao_userbehavior.csv.gz",
    MappingPlan(
        columns={"event_type": "behaviour", "event_time": "epoch_seconds"},
        time_format="epoch_seconds",
        event_types={"pv": "view", "fav": "view", "buy": "purchase"},
    ),
    columns=("user_id", "item_id", "category_id", "behaviour", "epoch_seconds"),
)


class Diginetica:
    """Views in the order of the stream. The file has weeks but no clock: a week's events are spread over it evenly, and
    a session is a user. Events name their session: by a pause in so made a time nothing would belong together."""

    path = DATA / "diginetica.csv.gz"

    def __init__(self) -> None:
        with gzip.open(self.path, "rt", encoding="utf-8") as lines:
            rows = list(csv.reader(lines))[1:]
        self.period: Int64Array = np.array([int(row[1]) for row in rows])
        self.session = [row[2] for row in rows]
        self.item = [row[3] for row in rows]

    def __len__(self) -> int:
        return len(self.period)

    @property
    def periods(self) -> range:
        return range(int(self.period[-1]) + 1)

    def rows_of(self, period: int) -> range:
        """The places of a period's events."""
        return range(*np.searchsorted(self.period, [period, period + 1]).tolist())

    @cached_property
    def time_ms(self) -> Int64Array:
        """(n,) event times."""
        first = np.searchsorted(self.period, self.period)
        n_each = np.bincount(self.period)[self.period]
        times: Int64Array = START_MS + self.period * WEEK_MS + (np.arange(len(self)) - first) * WEEK_MS // n_each
        return times

    def blocks(self, places: range) -> Iterator[RecordBlock]:
        """These events as records, in order."""
        for start in range(places.start, places.stop, BLOCK):
            part = range(start, min(start + BLOCK, places.stop))
            texts = np.datetime_as_string(self.time_ms[part.start : part.stop].astype("datetime64[ms]")).tolist()
            values = [
                f'{{"event_id":"{i}","user_id":"{self.session[i]}","session_id":"{self.session[i]}",'
                f'"item_id":"{self.item[i]}","event_type":"view","event_time":"{text}Z"}}'.encode()
                for i, text in zip(part, texts, strict=True)
            ]
            keys = [self.session[i].encode() for i in part]
            yield RecordBlock(keys, values, self.time_ms[part.start : part.stop])

    def data_set(self, folder: Path) -> DataSet:
        """Written into the folder, with its clock."""
        path = folder / "diginetica.ndjson"
        with path.open("wb") as out:
            for block in self.blocks(range(len(self))):
                out.write(b"\n".join(value for value in block.values if value) + b"\n")
        return DataSet("diginetica", path, MappingPlan())
