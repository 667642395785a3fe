"""Entry point of `freshrank-tools` and `python -m producer_tools`."""

from __future__ import annotations

import sys

from consumer.errors import BadRequest
from producer_tools import console
from producer_tools.cli import app
from producer_tools.errors import ToolError, UsageError


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    try:
        app()
    except (ToolError, BadRequest) as error:
        console.complain(error)
        sys.exit(UsageError.exit_code if isinstance(error, BadRequest | UsageError) else ToolError.exit_code)


if __name__ == "__main__":
    main()
