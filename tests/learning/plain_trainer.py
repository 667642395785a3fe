"""The learning pass once more, by names instead of rows: no table, no recycling, nothing that could be inherited."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field

from consumer.settings import Settings
from tests.streams import Event


@dataclass
class PlainItem:
    seen_s: float
    n_events: int = 0
    positive: float = 0.0
    negative: float = 0.0
    links: dict[str, float] = field(default_factory=dict)


@dataclass
class PlainUser:
    seen_s: float
    latest_s: float = 0.0
    session: int = 0
    places: list[tuple[str | None, object]] = field(default_factory=list)  # item, session; latest first


class PlainTrainer:
    """Counts without decay: for settings whose half-lives and time constant are longer than the stream by far."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.items: OrderedDict[str, PlainItem] = OrderedDict()
        self.users: OrderedDict[str, PlainUser] = OrderedDict()

    def learn(self, rows: Sequence[Event]) -> None:
        watermark_s = 0.0
        for row in rows:
            watermark_s = max(watermark_s, row.at_s)
            self._evict_outlived(watermark_s)
            self._learn(row)

    def _learn(self, row: Event) -> None:
        kind = self.settings.input.event_types[row.type]
        if row.item not in self.items:
            if len(self.items) == self.settings.catalogue.max_items:
                self._evict_item(next(iter(self.items)))
            self.items[row.item] = PlainItem(row.at_s)
        item = self.items[row.item]
        if kind.history:
            self._learn_sequence(row, item)
        if kind.weight > 0:
            item.positive += kind.weight
        else:
            item.negative -= kind.weight
        item.seen_s = max(item.seen_s, row.at_s)
        self.items.move_to_end(row.item)

    def _learn_sequence(self, row: Event, item: PlainItem) -> None:
        if row.user not in self.users:
            if len(self.users) == self.settings.users.max_users:
                self.users.popitem(last=False)
            self.users[row.user] = PlainUser(row.at_s)
        user = self.users[row.user]
        session = self._session_of(user, row)
        before = [other for other, theirs in user.places if theirs == session][:10]
        item.n_events += 1
        for back, other in enumerate(before):
            if other is not None and other != row.item:
                amount = 2.718281828459045 ** (-back / 2)
                self.items[other].links[row.item] = self.items[other].links.get(row.item, 0.0) + amount
                item.links[other] = item.links.get(other, 0.0) + 0.85 * amount
        if user.places and user.places[0][0] == row.item:
            user.places[0] = (row.item, session)
        else:
            user.places.insert(0, (row.item, session))
            del user.places[self.settings.users.history :]
        user.latest_s = max(user.latest_s, row.at_s)
        user.seen_s = max(user.seen_s, row.at_s)
        self.users.move_to_end(row.user)

    def _session_of(self, user: PlainUser, row: Event) -> object:
        if row.session is not None:
            return row.session
        if not user.places or row.at_s > user.latest_s + self.settings.users.session_gap_s:
            user.session += 1
        if not user.places:
            user.latest_s = row.at_s
        return user.session

    def _evict_outlived(self, watermark_s: float) -> None:
        while self.items and next(iter(self.items.values())).seen_s < watermark_s - self.settings.catalogue.item_ttl_s:
            self._evict_item(next(iter(self.items)))
        while self.users and next(iter(self.users.values())).seen_s < watermark_s - self.settings.users.user_ttl_s:
            self.users.popitem(last=False)

    def _evict_item(self, name: str) -> None:
        del self.items[name]
        for item in self.items.values():
            item.links.pop(name, None)
        for user in self.users.values():
            user.places = [(None if item == name else item, session) for item, session in user.places]
