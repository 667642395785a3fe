"""Every measurement, by name, in the order of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from tests.quality import calibration, drift, featured, freshness, linear, neural, published_rows, recall, switched
from tests.quality.document import Section
from tests.quality.recorded import REES46, TAOBAO, Absent, Diginetica, require


@cache
def _stream() -> Diginetica:
    require(Diginetica.path)
    return Diginetica()


def _diginetica(folder: Path) -> Section:
    return recall.diginetica(_stream().data_set(folder))


def _rees46(_folder: Path) -> Section:
    require(REES46.path)
    return recall.shop(REES46)


def _taobao(_folder: Path) -> Section:
    require(TAOBAO.path)
    return recall.shop(TAOBAO)


def _published_rows(folder: Path) -> Section:
    return published_rows.measure(_stream(), folder)


def _score(folder: Path) -> Section:
    for path in (REES46.path, TAOBAO.path):
        require(path)
    both = (1_000, 8_000)
    return calibration.measure([(_stream().data_set(folder), both), (REES46, both[:1]), (TAOBAO, both)])


def _freshness(folder: Path) -> Section:
    return freshness.measure(_stream().data_set(folder), len(_stream()), folder)


def _drift(_folder: Path) -> Section:
    return drift.measure()


def _linear(folder: Path) -> Section:
    for path in (REES46.path, TAOBAO.path):
        require(path)
    part = replace(_stream().data_set(folder), name="diginetica, the first 200,000 events", n_rows=200_000)
    return linear.measure([linear.REES46_FEATURES, featured.data_set(folder)], [part, TAOBAO])


def _session_knn(folder: Path) -> Section:
    for path in (REES46.path, TAOBAO.path):
        require(path)
    return switched.session_knn([_stream().data_set(folder), REES46, TAOBAO, featured.data_set(folder)])


def _neural(folder: Path) -> Section:
    if find_spec("jax") is None:
        raise Absent("needs the extra: make test-neural installs it")
    return neural.measure(_stream(), folder)


ALL: Mapping[str, Callable[[Path], Section]] = {
    "diginetica": _diginetica,
    "published_rows": _published_rows,
    "rees46": _rees46,
    "taobao": _taobao,
    "score": _score,
    "freshness": _freshness,
    "drift": _drift,
    "session_knn": _session_knn,
    "linear": _linear,
    "neural": _neural,
}
