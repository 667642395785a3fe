"""What goes wrong for a user of the tools, with the exit code it ends in. Nobody sees a traceback for these.

ToolError        something failed: exit code 1
└── UsageError   what was asked for cannot be done as asked: exit code 2
"""

from __future__ import annotations


class ToolError(Exception):
    """A fault with a message that says what, where, and what to do."""

    exit_code = 1


class UsageError(ToolError):
    """An option or a combination of options that makes no sense."""

    exit_code = 2
