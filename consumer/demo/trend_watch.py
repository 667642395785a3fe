"""When the planted trend reached what every reader of the output topics sees."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class TrendWatch:
    """Fed with each whole version as a reader sees it. Times are of `time.monotonic`; None: not yet."""

    item: str
    top: int
    published_s: float | None = None
    """The item had a score."""
    in_top_s: float | None = None
    """The item was among the `top` best."""
    first_s: float | None = None
    """Nothing stood before the item."""

    def look(self, best: Sequence[str], is_published: bool, now_s: float) -> list[str]:
        """`best`: items of the version, best first, at least `top` of them. Returns what is news, in words."""
        news = []
        if is_published and self.published_s is None:
            self.published_s = now_s
            news.append("has a published score")
        if self.item in best[: self.top] and self.in_top_s is None:
            self.in_top_s = now_s
            news.append(f"is in the published top {self.top}")
        if self.item in best[:1] and self.first_s is None:
            self.first_s = now_s
            news.append("is in first place")
        return news
