"""Entry point of `freshrank-tools` and `python -m producer_tools`."""

from __future__ import annotations

import sys

from producer_tools import console
from producer_tools.cli import app
from producer_tools.errors import ToolError


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    try:
        app()
    except ToolError as error:
        console.complain(error)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
