"""`python -m deploy.grafana`: write the dashboards' JSON."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.grafana import models, operators
from deploy.grafana.rendering import as_text

FOLDER = Path(__file__).parent / "dashboards"
DASHBOARDS = {"operators.json": operators.DASHBOARD, "models.json": models.DASHBOARD}
"""By file below `dashboards`."""


def main() -> None:
    for name, dashboard in DASHBOARDS.items():
        (FOLDER / name).write_text(as_text(dashboard), encoding="utf-8")
        sys.stdout.write(f"{FOLDER / name}\n")


if __name__ == "__main__":
    main()
