"""Item vectors from a file: `.npz` with `ids` and `vectors`, `.npy` beside a list of ids, or Parquet.

What is kept in memory is the file's numbers once, as float32. Parquet needs the package pyarrow
(`pip install 'freshrank[parquet]'`), a column `id` and a column `vector` of lists.
"""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from consumer.errors import Fatal
from consumer.models.item_to_item import Float32Array

FORMATS = (".npz", ".npy", ".parquet")
BATCH_ROWS = 4_096
"""Of Parquet, read at a time."""


@dataclass(frozen=True, slots=True)
class ItemVectors:
    ids: list[bytes]  # distinct
    vectors: Float32Array  # (n, any) finite

    def renamed(self, new_ids: Mapping[bytes, bytes]) -> ItemVectors:
        """Under other ids; an item that is not named is left out."""
        kept = [i for i, item in enumerate(self.ids) if item in new_ids]
        return ItemVectors([new_ids[self.ids[i]] for i in kept], self.vectors[kept])


def read_vectors(path: Path, ids_file: Path | None = None) -> ItemVectors:
    """`ids_file`: one id a line, for `.npy`. Raises Fatal that says what is wrong and where."""
    if path.suffix not in FORMATS:
        raise Fatal(f"{path}: item vectors come as {', '.join(FORMATS)}")
    if not path.is_file():
        raise Fatal(f"{path}: there is no such file")
    read = {".npz": _from_npz, ".npy": _from_npy, ".parquet": _from_parquet}[path.suffix]
    ids, vectors = read(path, ids_file)
    return _checked(path, ids, vectors)


def _from_npz(path: Path, _ids_file: Path | None) -> tuple[Sequence[Any], Any]:
    try:
        if not zipfile.is_zipfile(path):
            raise ValueError("it is no archive of arrays")
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in ("ids", "vectors") if name not in file]
            if missing:
                raise Fatal(f"{path} has no array {' and '.join(missing)}; found {', '.join(file) or 'none'}")
            return file["ids"].reshape(-1).tolist(), file["vectors"]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise Fatal(f"{path} cannot be read as .npz: {error}") from error


def _from_npy(path: Path, ids_file: Path | None) -> tuple[Sequence[Any], Any]:
    if ids_file is None:
        raise Fatal(f"{path} holds no ids: name a file with one id a line (--ids)")
    try:
        return ids_file.read_text(encoding="utf-8").splitlines(), np.load(path, "r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Fatal(f"{path} and {ids_file} cannot be read: {error}") from error


def _from_parquet(path: Path, _ids_file: Path | None) -> tuple[Sequence[Any], Any]:
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise Fatal(f"{path}: reading Parquet needs pyarrow: pip install 'freshrank[parquet]'") from error
    try:
        with parquet.ParquetFile(path) as file:
            names = file.schema_arrow.names
            missing = [name for name in ("id", "vector") if name not in names]
            if missing:
                raise Fatal(f"{path} has no column {' and '.join(missing)}; found {', '.join(names)}")
            ids: list[Any] = []
            blocks: list[Float32Array] = []
            for batch in file.iter_batches(BATCH_ROWS, columns=["id", "vector"]):
                ids += batch.column("id").to_pylist()
                blocks.append(_numbers(path, batch.column("vector").to_pylist(), ids[-len(batch) :]))
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these
        raise Fatal(f"{path} cannot be read as Parquet: {error}") from error
    _require_one_length(path, blocks)
    return ids, np.concatenate(blocks) if blocks else np.zeros((0, 0), np.float32)


def _require_one_length(path: Path, blocks: Sequence[Float32Array]) -> None:
    lengths = {block.shape[1] for block in blocks}
    if len(lengths) > 1:
        raise Fatal(f"{path}: the vectors differ in length: {', '.join(map(str, sorted(lengths)))}")


def _numbers(path: Path, vectors: Sequence[Any], ids: Sequence[Any]) -> Float32Array:
    """Of one batch; Python's numbers take eight times the room, so they are not kept."""
    for item, vector in zip(ids, vectors, strict=True):
        if vector is None or len(vector) != len(vectors[0]):
            what = "none" if vector is None else f"{len(vector)} numbers, others {len(vectors[0])}"
            raise Fatal(f"{path}: the vector of item {item!r} has {what}")
    try:
        return np.array(vectors, np.float32).reshape(len(vectors), -1)
    except (TypeError, ValueError) as error:
        raise Fatal(f"{path}: the vectors are not numbers: {error}") from error


def _checked(path: Path, ids: Sequence[Any], vectors: Any) -> ItemVectors:
    try:
        array = np.ascontiguousarray(vectors, np.float32)
    except (TypeError, ValueError) as error:
        raise Fatal(f"{path}: the vectors are not numbers, or differ in length: {error}") from error
    if array.ndim != 2:
        raise Fatal(f"{path}: vectors have shape {array.shape}; one row an item was expected")
    if len(ids) != len(array):
        raise Fatal(f"{path}: there are {len(ids)} ids for {len(array)} vectors")
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        row, i = wrong[0].tolist()
        raise Fatal(f"{path}: number {i} of the vector of item {ids[row]!r} is {array[row, i]}")
    encoded = [item if isinstance(item, bytes) else str(item).encode() for item in ids]
    seen: dict[bytes, int] = {}
    for row, item in enumerate(encoded):
        if item in seen:
            raise Fatal(f"{path}: item {item.decode(errors='replace')!r} stands in rows {seen[item]} and {row}")
        seen[item] = row
    return ItemVectors(encoded, array)
