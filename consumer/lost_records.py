"""What is said where records of the input were deleted before they were read, and it goes on behind them."""

from __future__ import annotations

import logging

logger = logging.getLogger(__name__)


def tell_lost(topic: str, partition: int, position: int, first: int) -> None:
    """Those from `position` up to, but not with, `first`."""
    logger.error(
        "records lost",
        extra={
            "topic": topic,
            "partition": partition,
            "records": first - position,
            "from": position,
            "to": first,
            "why": "deleted from the input before they were read; give its topic a longer retention",
        },
    )
