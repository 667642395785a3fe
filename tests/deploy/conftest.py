"""Three renderings of the chart that many tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.deploy.charts import EXAMPLES, Rendered


@dataclass(frozen=True, slots=True)
class Rendering:
    name: str
    files: tuple[Path, ...]


RENDERINGS = (
    Rendering("defaults", ()),
    Rendering("minimal", (EXAMPLES / "minimal.yaml",)),
    Rendering("production", (EXAMPLES / "production.yaml",)),
)


@pytest.fixture(scope="session", params=RENDERINGS, ids=lambda rendering: rendering.name)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    """Each of them in turn."""
    rendering: Rendering = request.param
    return Rendered(*rendering.files)


@pytest.fixture(scope="session")
def production() -> Rendered:
    """A worker and a standby, secrets, monitoring."""
    return Rendered(EXAMPLES / "production.yaml")


@pytest.fixture(scope="session")
def defaults() -> Rendered:
    return Rendered()
