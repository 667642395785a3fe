"""What reading JSON that others wrote may raise: of msgspec, of the bytes, of the nesting."""

from __future__ import annotations

from typing import Final

import msgspec

UNREADABLE_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
