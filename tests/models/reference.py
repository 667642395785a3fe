"""The members once more, in plain Python and as slow as the formulas of their docstrings read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Counted(NamedTuple):
    item: int
    weight: float
    time_ms: int


class Recount:
    """`popularity` from the list of all events, counted anew for every question."""

    def __init__(self, half_lives_s: Sequence[float]) -> None:
        self.half_lives_ms = [h * 1000.0 for h in half_lives_s]
        self.mixture = [1.0 / len(half_lives_s)] * len(half_lives_s)
        self.events: list[Counted] = []

    @property
    def live(self) -> list[int]:
        return sorted({event.item for event in self.events})

    def counts(self, h: float, item: int) -> tuple[float, float]:
        """c⁺ and c⁻ in units of one event at the latest time."""
        now_ms = max(event.time_ms for event in self.events)
        sides: tuple[list[float], list[float]] = ([], [])
        for event in self.events:
            if event.item == item:
                sides[event.weight < 0].append(abs(event.weight) * 2.0 ** ((event.time_ms - now_ms) / h))
        return math.fsum(sides[0]), math.fsum(sides[1])

    def net(self, h: float, item: int) -> float:
        positive, negative = self.counts(h, item)
        return max(0.0, positive - negative)

    def is_delicate(self) -> bool:
        """Whether some item's two sides cancel so nearly that rounding decides."""
        pairs = [self.counts(h, item) for h in self.half_lives_ms for item in self.live]
        return any(abs(p - n) < 1e-6 * (p + n) for p, n in pairs)

    def share(self, h: float, item: int) -> float:
        total = math.fsum(self.net(h, j) for j in self.live)
        return self.net(h, item) / total if total > 0.0 else 1.0 / len(self.live)

    def scores(self) -> dict[int, float]:
        return {
            item: sum(m * self.share(h, item) for m, h in zip(self.mixture, self.half_lives_ms, strict=True))
            for item in self.live
        }

    def learn(self, event: Counted) -> None:
        if event.weight > 0 and event.item in self.live:
            q = [0.999 * self.share(h, event.item) + 0.001 / len(self.live) for h in self.half_lives_ms]
            part = [m * x for m, x in zip(self.mixture, q, strict=True)]
            step = 1.0 - 0.999**event.weight
            moved = [(1.0 - step) * m + step * x / sum(part) for m, x in zip(self.mixture, part, strict=True)]
            self.mixture = [(1.0 - 1e-5) * m + 1e-5 / len(moved) for m in moved]
        self.events.append(event)


class ItemToItemReference:
    """`item_to_item` with a list of [neighbour, weight] an item; weights rounded as they are stored."""

    def __init__(self, neighbours: int, time_constant_s: float, start_ms: int) -> None:
        self.neighbours = neighbours
        self.tau_ms = time_constant_s * 1000.0
        self.start_ms = start_ms
        self.counts: dict[int, float] = {}
        self.rows: dict[int, list[list[float]]] = {}

    def learn(self, item: int, before: Sequence[int], time_ms: int) -> None:
        """`before`: the session's items, latest first; negative: gone."""
        g = math.exp((time_ms - self.start_ms) / self.tau_ms)
        self.counts[item] = self.counts.get(item, 0.0) + g
        for d, other in enumerate(before[:10], start=1):
            if other >= 0 and other != item:
                self._add(other, item, g * math.exp(-(d - 1) / 2))
                self._add(item, other, 0.85 * g * math.exp(-(d - 1) / 2))

    def _add(self, row: int, neighbour: int, amount: float) -> None:
        entries = self.rows.setdefault(row, [])
        for entry in entries:
            if entry[0] == neighbour:
                entry[1] = float(np.float32(entry[1]) + np.float32(amount))
                return
        if len(entries) < self.neighbours:
            entries.append([neighbour, float(np.float32(amount))])
        else:
            smallest = min(entries, key=lambda entry: entry[1])
            smallest[:] = [neighbour, float(np.float32(smallest[1]) + np.float32(amount))]

    def weights(self, row: int, now_ms: int) -> dict[int, float]:
        fresh = math.exp((self.start_ms - now_ms) / self.tau_ms)
        return {int(j): w * fresh for j, w in self.rows.get(row, [])}

    def count(self, item: int, now_ms: int) -> float:
        return self.counts.get(item, 0.0) * math.exp((self.start_ms - now_ms) / self.tau_ms)

    def scores(self, history: Sequence[int], now_ms: int) -> dict[int, float]:
        """s(j) of every item outside the history for which it is above 0."""
        all_counts = sum(self.count(item, now_ms) for item in self.counts)
        distinct = [(b, i) for b, i in enumerate(history) if i >= 0 and i not in history[:b]][:20]
        first: dict[int, float] = {}
        for b, i in distinct:
            c = self.count(i, now_ms)
            idf = math.log((all_counts + 1) / (c + 1))
            a = math.exp(-b / 2) * max(idf, 0.0) ** 0.5 / (c + 3) ** 0.75
            for j, w in self.weights(i, now_ms).items():
                first[j] = first.get(j, 0.0) + a * w
        outside = {j: s for j, s in first.items() if j not in history}
        total = dict(outside)
        for k in sorted(outside, key=lambda j: (-outside[j], j))[:30]:
            for j, w in self.weights(k, now_ms).items():
                if j not in history:
                    total[j] = total.get(j, 0.0) + 1.5 * outside[k] * w / (self.count(k, now_ms) + 3)
        return {j: s / (self.count(j, now_ms) + 3) ** 0.3 for j, s in total.items() if s > 0.0}


class RepeatReference:
    """`repeat`: a running mean for every (history length, habit of returning, places back)."""

    def __init__(self) -> None:
        contexts = [(n, habit) for n in range(1, 7) for habit in ("none", "earlier", "latest")]
        self.chance = {(context, b): 0.05 / b for context in contexts for b in range(1, 21)}
        self.n_events = dict.fromkeys(contexts, 0)

    def learn(self, history: Sequence[int], item: int) -> None:
        context = self.context(history)
        step = max(1 / (self.n_events[context] + 50), 0.001)
        self.n_events[context] += 1
        for b, back in self.last_occurrences(history):
            self.chance[context, b] += step * (float(back == item) - self.chance[context, b])

    def ranked(self, history: Sequence[int]) -> list[tuple[int, float]]:
        context = self.context(history)
        proposed = [(back, self.chance[context, b]) for b, back in self.last_occurrences(history)]
        return sorted(proposed, key=lambda pair: -pair[1])

    @staticmethod
    def context(history: Sequence[int]) -> tuple[int, str]:
        near = history[:20]
        known = [item for item in near if item >= 0]
        habit = "none" if len(set(known)) == len(known) else "earlier"
        if near[0] >= 0 and near[0] in near[1:]:
            habit = "latest"
        return min(len(history), 6), habit

    @staticmethod
    def last_occurrences(history: Sequence[int]) -> list[tuple[int, int]]:
        return [(b + 1, i) for b, i in enumerate(history[:20]) if i >= 0 and i not in history[:b]]


class SessionKnnReference:
    """`session_knn` with a list of sessions and, an item, a list of the latest keys; the oldest stand first."""

    def __init__(self, n_sessions: int, recent: int, time_constant_s: float) -> None:
        self.n_sessions = n_sessions
        self.recent = recent
        self.tau_ms = time_constant_s * 1000.0
        self.sessions: dict[int, list[int]] = {}  # opened first, first
        self.latest_ms: dict[int, int] = {}
        self.remembered: dict[int, list[int]] = {}

    def learn(self, item: int, key: int, time_ms: int) -> None:
        if key not in self.sessions:
            if len(self.sessions) == self.n_sessions:
                self._close(next(iter(self.sessions)))
            self.sessions[key] = []
        items = self.sessions[key]
        if item in items:
            items.remove(item)
        else:
            self.remembered.setdefault(item, []).append(key)
            del self.remembered[item][: -self.recent]
        items.append(item)
        del items[:-20]
        self.latest_ms[key] = max(self.latest_ms.get(key, time_ms), time_ms)

    def _close(self, key: int) -> None:
        """The ring's row is taken: a key that comes back is another session."""
        del self.sessions[key], self.latest_ms[key]
        for keys in self.remembered.values():
            for place, known in enumerate(keys):
                keys[place] = -1 if known == key else known

    def forget(self, item: int) -> None:
        self.remembered.pop(item, None)
        for items in self.sessions.values():
            items[:] = [other for other in items if other != item]

    def spread(self, item: int) -> int:
        return sum(item in items for items in self.sessions.values())

    def similarities(self, history: Sequence[int], now_ms: int) -> dict[int, float]:
        total = sum(len(items) for items in self.sessions.values())
        similarities: dict[int, float] = {}
        distinct = [(b, i) for b, i in enumerate(history) if i >= 0 and i not in history[:b]][:20]
        for b, i in distinct:
            weight = math.exp(-b / 1.5) * math.log((total + 1) / (self.spread(i) + 1)) ** 3
            for key in set(self.remembered.get(i, ())) & self.sessions.keys():
                similarities[key] = similarities.get(key, 0.0) + weight
        return {
            key: similarity
            * len(self.sessions[key]) ** -0.25
            * math.exp(-max(0, now_ms - self.latest_ms[key]) / self.tau_ms)
            for key, similarity in similarities.items()
            if self.sessions[key]
        }

    def scores(self, history: Sequence[int], now_ms: int) -> dict[int, float]:
        """Of every item outside the history for which it is above 0; all similar sessions are neighbours."""
        scores: dict[int, float] = {}
        for key, similarity in self.similarities(history, now_ms).items():
            items = self.sessions[key]
            matches = [(history.index(item), place) for place, item in enumerate(items) if item in history]
            if not matches:
                continue
            match = min(matches)[1]
            for place, item in enumerate(items):
                if item not in history:
                    factor = math.exp(-(abs(place - match) - 1) / 6) * (1.0 if place > match else 0.85)
                    scores[item] = scores.get(item, 0.0) + similarity * factor
        return {item: score for item, score in scores.items() if score > 0.0}


def merged(repeated: Sequence[tuple[int, float]], listed: Sequence[int], rank_chance: Sequence[float]) -> list[int]:
    """Both lists by rank probability; `rank_chance[r]` is that of the list's place r + 1 where the next item is none of
    the history, before it is made to fall."""
    outside = 1.0
    for _, chance in repeated:
        outside -= chance
    falling = np.minimum.accumulate(rank_chance) * max(outside, 0.02)
    pairs = [(-chance, 1, item) for item, chance in repeated]
    pairs += [(-float(chance), 0, item) for item, chance in zip(listed, falling, strict=False)]
    return [item for _, _, item in sorted(pairs, key=lambda pair: pair[:2])]
