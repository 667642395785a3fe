"""Entry point of `freshrank` and `python -m consumer`: the one place where every error ends, as one clear message."""

from __future__ import annotations

import os
import sys

from consumer.cli import application, console
from consumer.cli.exit_codes import FAULT, USAGE
from consumer.errors import BadRequest, BadSettings, FreshrankError, Retryable


def main() -> None:
    """Run the command line; ends the process with its exit code."""
    try:
        application.app()
    except Exception as error:
        if os.environ.get("FRESHRANK_DEBUG") == "1":
            raise
        console.complain(_told(error))
        sys.exit(USAGE if isinstance(error, BadSettings | BadRequest) else FAULT)


def _told(error: Exception) -> str:
    if isinstance(error, Retryable):
        return f"{error}\nIs the broker running, and is kafka.bootstrap_servers its address?"
    if isinstance(error, FreshrankError):
        return str(error)
    return f"unexpected {type(error).__name__}: {error}\nFRESHRANK_DEBUG=1 shows where it comes from; please report it."


if __name__ == "__main__":
    main()
