"""Where recorded files lie: on this machine, or in an object storage that `fsspec` reaches (`s3://…`, `gs://…`).

Only files at an address with a scheme need fsspec, and the package of their storage beside it.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from consumer.errors import BadRequest

SCHEME = "://"


@dataclass(frozen=True, slots=True)
class FileFacts:
    """By which it is told whether a file has changed."""

    size_bytes: int
    modified: str
    """As the storage tells it; empty where it doesn't."""


class LocalFile:
    """A file of this machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name = path.name

    def facts(self) -> FileFacts:
        found = self._path.stat()
        return FileFacts(found.st_size, str(found.st_mtime_ns))

    def open(self) -> BinaryIO:
        return self._path.open("rb")

    def __str__(self) -> str:
        return str(self._path)


class StoredFile:
    """A file in a storage. Raises BadRequest where there is no way to it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.name = name_of(url)
        try:
            core: Any = importlib.import_module("fsspec.core")
        except ImportError as error:
            raise BadRequest(f"{url}: reading it needs fsspec: pip install 'freshrank[object-storage]'") from error
        try:
            self._storage, self._path = core.url_to_fs(url)
        except (ImportError, ValueError) as error:
            raise BadRequest(f"{url} cannot be reached: {error}") from error

    def facts(self) -> FileFacts:
        found = self._storage.info(self._path)
        modified = next(
            (found[key] for key in ("ETag", "etag", "LastModified", "mtime", "created") if key in found), ""
        )
        return FileFacts(int(found["size"]), str(modified))

    def open(self) -> BinaryIO:
        opened: BinaryIO = self._storage.open(self._path, "rb")
        return opened

    def __str__(self) -> str:
        return self._url


Place = LocalFile | StoredFile


def name_of(text: str) -> str:
    """The last part of a path or an address."""
    return PurePosixPath(text.partition(SCHEME)[2] or text).name


def place_of(text: str | Path) -> Place:
    """A path, or an address with a scheme. Raises BadRequest."""
    if isinstance(text, str) and SCHEME in text:
        return StoredFile(text)
    return LocalFile(Path(text))


def facts_of(place: Place) -> FileFacts:
    """Raises BadRequest where there is no such file, or it cannot be reached."""
    try:
        return place.facts()
    except OSError as error:
        raise BadRequest(f"{place} cannot be read: {error.strerror or error}") from error
