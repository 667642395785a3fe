"""Options that several commands have, and the settings they lead to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from consumer import settings_loading
from consumer.settings import Settings

CONFIG_VARIABLE: Final = "FRESHRANK_CONFIG"

ConfigFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="Settings file (YAML). May be given several times, later ones win; default: the files that "
        f"{CONFIG_VARIABLE} lists, separated by '{os.pathsep}'. FRESHRANK__SECTION__KEY in the environment wins over "
        "all of them.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]
Number = Annotated[int, typer.Option("-n", min=1, max=1_000_000, help="How many items at the most.")]


def settings_of(files: Sequence[Path] | None) -> Settings:
    """Raises BadSettings with every problem."""
    return settings_loading.load(files or _files_of_environment(), os.environ)


def _files_of_environment() -> list[Path]:
    return [Path(name) for name in os.environ.get(CONFIG_VARIABLE, "").split(os.pathsep) if name]
