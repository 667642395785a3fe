"""What the HTTP server shows at each path; knows nothing of sockets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from http import HTTPStatus
from importlib.resources import files
from typing import Final

import msgspec
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from consumer.status.board import Board
from consumer.telemetry.health import Health

PAGE_FILES: Final = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
}
"""What the status page is made of, in the folder `page` beside this file."""


@dataclass(frozen=True, slots=True)
class Page:
    """An answer to a GET."""

    status: HTTPStatus
    content_type: str
    body: bytes


class Site:
    """What stands at each path."""

    def __init__(self, registry: CollectorRegistry, health: Health, board: Board, *, has_page: bool) -> None:
        self._registry = registry
        self._health = health
        self._board = board
        self._pages: dict[str, Callable[[str], Page]] = {
            "/metrics": self._metrics,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/startupz": self._startupz,
        }
        if has_page:
            self._pages["/status.json"] = self._status
            for path, (name, content_type) in PAGE_FILES.items():
                self._pages[path] = partial(_unchanging, _page_file(name, content_type))

    def page(self, path: str, accept: str) -> Page:
        build = self._pages.get(path)
        if build is None:
            return _json(HTTPStatus.NOT_FOUND, {"error": "not found", "paths": list(self._pages)})
        return build(accept)

    def _metrics(self, accept: str) -> Page:
        try:
            return self._scrape(accept)
        except (TypeError, ValueError):  # choose_encoder on a version that isn't a number; the text format always fits
            return self._scrape("")

    def _scrape(self, accept: str) -> Page:
        encode, content_type = choose_encoder(accept)
        return Page(HTTPStatus.OK, content_type, encode(self._registry))

    def _healthz(self, accept: str) -> Page:
        now = self._health.liveness()
        seen = "loop_moved_at" if now.has_moved else "started_at"
        facts: dict[str, object] = {seen: _rfc3339(now.since_s), "silent_seconds": round(now.silent_s, 3)}
        if now.is_alive:
            return _json(HTTPStatus.OK, {"status": "ok", **facts})
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "the loop stands still", **facts})

    def _readyz(self, accept: str) -> Page:
        if self._health.is_ready:
            return _json(HTTPStatus.OK, {"status": "ready"})
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "not recovered and assigned"})

    def _status(self, accept: str) -> Page:
        seen = self._health.liveness()
        loop = {"is_alive": seen.is_alive, "is_ready": self._health.is_ready, "silent_s": round(seen.silent_s, 3)}
        members = msgspec.to_builtins(self._board.status)
        shown = {"now": _rfc3339(seen.since_s + seen.silent_s), "loop": loop, **members}
        return Page(HTTPStatus.OK, "application/json", msgspec.json.encode(shown) + b"\n")

    def _startupz(self, accept: str) -> Page:
        now = self._health.liveness()
        if not now.has_moved:
            return _json(HTTPStatus.SERVICE_UNAVAILABLE, {"status": "starting"})
        return self._healthz(accept)


def _page_file(name: str, content_type: str) -> Page:
    return Page(HTTPStatus.OK, content_type, files("consumer.telemetry").joinpath("page", name).read_bytes())


def _unchanging(page: Page, accept: str) -> Page:
    return page


def _json(status: HTTPStatus, content: dict[str, object]) -> Page:
    return Page(status, "application/json", json.dumps(content).encode() + b"\n")


def _rfc3339(wall_s: float) -> str:
    return datetime.fromtimestamp(wall_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
