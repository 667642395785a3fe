"""A synthetic shop whose customers choose by what items are: their kind, their maker, their price.

Each item has a category, a brand and a price; each category a usual price. A visit keeps to a category, to one maker or
none, and near the price it began with; after a purchase it turns to the category that goes with it. The catalogue is
large and visits are few, so most items are rarely seen together.
"""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from consumer.messages import Int64Array
from consumer.recordings.row_mapping import MappingPlan
from tests.quality.recorded import START_MS, DataSet

N_ITEMS = 6_000
N_CATEGORIES = 40
N_BRANDS = 60
N_EVENTS = 60_000
STEP_S = 2
STAYS = 0.85  # chance that a visit's next item is of the category it is in
LIKES_BRAND = 0.5
SPREAD = 0.15  # of ln(price) around the last item's


class Shop:
    """Who sells what at which price, and who looks at what."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.category: Int64Array = self._rng.integers(N_CATEGORIES, size=N_ITEMS)
        self.brand: Int64Array = self._rng.integers(N_BRANDS, size=N_ITEMS)
        usual = self._rng.normal(3.0, 1.0, N_CATEGORIES)
        within = self._rng.normal(0.0, 0.6, N_ITEMS)
        self.log_price = np.asarray(usual[self.category] + within, np.float64)
        self._attraction = np.asarray((1.0 + self._rng.permutation(N_ITEMS)) ** -0.6, np.float64)
        self._of_category = [np.flatnonzero(self.category == c) for c in range(N_CATEGORIES)]

    def visit(self) -> list[tuple[int, str]]:
        """Items and what was done to them, in order."""
        item = self._choose(np.arange(N_ITEMS), None, -1)
        brand = int(self.brand[item]) if self._rng.random() < LIKES_BRAND else -1
        seen = [(item, "view")]
        for _ in range(int(self._rng.geometric(0.2))):
            category = int(self.category[item])
            if seen[-1][1] == "purchase":
                category = (category + 1) % N_CATEGORIES
            elif self._rng.random() > STAYS:
                category = int(self._rng.integers(N_CATEGORIES))
            item = self._choose(self._of_category[category], float(self.log_price[item]), brand)
            seen.append((item, str(self._rng.choice(("view", "cart", "purchase"), p=(0.85, 0.1, 0.05)))))
        return seen

    def _choose(self, items: Int64Array, log_price: float | None, brand: int) -> int:
        appeal = self._attraction[items].copy()
        if log_price is not None:
            appeal *= np.exp(-np.abs(self.log_price[items] - log_price) / SPREAD) + 1e-9
        if brand >= 0:
            appeal *= np.where(self.brand[items] == brand, 8.0, 1.0)
        return int(self._rng.choice(items, p=appeal / appeal.sum()))


def data_set(folder: Path, n_events: int = N_EVENTS, seed: int = 4) -> DataSet:
    """Visits one after the other, written into the folder."""
    shop = Shop(seed)
    path = folder / "featured.ndjson"
    n = visitor = 0
    with path.open("wb") as out:
        while n < n_events:
            visitor += 1
            for item, done in shop.visit():
                n += 1
                time = np.datetime_as_string(np.datetime64(START_MS + n * STEP_S * 1000, "ms"))
                event = {
                    "event_id": str(n), "user_id": f"user-{visitor}", "item_id": f"item-{item}", "event_type": done,
                    "event_time": f"{time}Z",
                    "features": {
                        "category": f"category-{shop.category[item]}", "brand": f"brand-{shop.brand[item]}",
                        "price": round(float(np.exp(shop.log_price[item])), 2),
                    },
                }  # fmt: skip
                out.write(msgspec.json.encode(event) + b"\n")
    return DataSet("synthetic, with features", path, MappingPlan())
