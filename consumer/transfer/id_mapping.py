"""A file that says which item of the new deployment an item of the old one is: CSV with the header `from,to`."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

from consumer.errors import Fatal

HEADER = ["from", "to"]


def read_mapping(path: Path) -> Mapping[bytes, bytes]:
    """Old id → new id. Raises Fatal with file and line for what is wrong: each id may stand in its column once."""
    seen: tuple[dict[str, int], dict[str, int]] = ({}, {})
    mapping: dict[bytes, bytes] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            if next(lines, None) != HEADER:
                raise Fatal(f"{path}: the first line must be `{','.join(HEADER)}`")
            for row in lines:
                if not row:
                    continue
                where = f"{path}, line {lines.line_num}"
                if len(row) != len(HEADER) or not all(row):
                    raise Fatal(f"{where}: two ids are needed, found {row}")
                for column, item, before in zip(HEADER, row, seen, strict=True):
                    if item in before:
                        raise Fatal(f"{where}: {item!r} stood in column `{column}` in line {before[item]} already")
                    before[item] = lines.line_num
                mapping[row[0].encode()] = row[1].encode()
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise Fatal(f"the mapping {path} cannot be read: {error}") from error
    return mapping
