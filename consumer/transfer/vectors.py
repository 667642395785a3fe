"""Item vectors from a file: `.npz` with `ids` and `vectors`, `.npy` beside a list of ids, or Parquet.

Parquet needs the package pyarrow (`pip install 'freshrank[parquet]'`), a column `id` and a column `vector` of lists.
"""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from consumer.errors import Fatal
from consumer.models.item_to_item import Float32Array

FORMATS = (".npz", ".npy", ".parquet")


@dataclass(frozen=True, slots=True)
class ItemVectors:
    ids: list[bytes]  # distinct
    vectors: Float32Array  # (n, any) finite


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
        return ids_file.read_text(encoding="utf-8").splitlines(), np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise Fatal(f"{path} and {ids_file} cannot be read: {error}") from error


def _from_parquet(path: Path, _ids_file: Path | None) -> tuple[Sequence[Any], Any]:
    try:
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise Fatal(f"{path}: reading Parquet needs pyarrow: pip install 'freshrank[parquet]'") from error
    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:  # pyarrow's own errors are among these
        raise Fatal(f"{path} cannot be read as Parquet: {error}") from error
    missing = [name for name in ("id", "vector") if name not in table.column_names]
    if missing:
        raise Fatal(f"{path} has no column {' and '.join(missing)}; found {', '.join(table.column_names)}")
    return table.column("id").to_pylist(), table.column("vector").to_pylist()


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
