"""Every measurement, by name, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from tests.quality import recall
from tests.quality.document import Section
from tests.quality.recorded import REES46, TAOBAO, Diginetica


class Absent(Exception):
    """What is to be measured isn't there; the message says what."""


def _require(path: Path) -> None:
    if not path.exists():
        raise Absent(f"needs {path}, which is not there")


@cache
def _stream() -> Diginetica:
    _require(Diginetica.path)
    return Diginetica()


def _diginetica(folder: Path) -> Section:
    return recall.diginetica(_stream().data_set(folder))


def _rees46(_folder: Path) -> Section:
    _require(REES46.path)
    return recall.shop(REES46)


def _taobao(_folder: Path) -> Section:
    _require(TAOBAO.path)
    return recall.shop(TAOBAO)


ALL: Mapping[str, Callable[[Path], Section]] = {
    "diginetica": _diginetica,
    "rees46": _rees46,
    "taobao": _taobao,
}
