"""Gathers the evidence about a version that `consumer.learning.gate` judges.

Between two versions what readers hold stands still. So the published model is asked the sampled events since the last
version all at once, when the next one is cut: the same answers as within the learning pass, which goes on undisturbed
and the same whenever versions go out.
"""

from __future__ import annotations

import numpy as np

from consumer.kernels import kernel
from consumer.learning import cases as sampled
from consumer.learning import gate
from consumer.learning.cases import WINDOW, CaseArrays
from consumer.learning.gate import HOUR_MS, RECALLED, Evidence, GatePolicy, Hold, Movement, Reason, Sums
from consumer.messages import Float64Array, Int64Array, UInt8Array
from consumer.models.recommend import Readable
from consumer.models.state import ModelState
from consumer.settings import Publish
from consumer.snapshots.gate_state import (
    FIRST_CASE,
    FIRST_MS,
    IS_DRAINING,
    IS_HELD_FOR_SHARE,
    NEVER,
    NEXT_CASE,
    WINDOW_MS,
    GateState,
)
from consumer.snapshots.published import PublishedRows
from consumer.snapshots.version import Version

NO_PAIRS: Float64Array = np.zeros((0, 3))
NO_CASES: Int64Array = np.zeros(0, np.int64)


@kernel
def _tally(
    model_scores: Float64Array,
    after: Float64Array,
    reference: Float64Array,
    is_chosen: UInt8Array,
    waits_since: Int64Array,
    tolerance: float,
    n_live: int,
) -> tuple[float, float, float, float]:
    """Over live items: Σ published, Σ what waits, Σ tolerances, ½ Σ |published − reference|."""
    least = 0.01 / max(n_live, 1)
    published = 0.0
    waiting = 0.0
    allowed = 0.0
    moved = 0.0
    for row in range(len(model_scores)):
        if np.isnan(model_scores[row]):
            continue
        held = 0.0 if np.isnan(after[row]) else after[row]
        published += held
        moved += abs(held - reference[row])
        if waits_since[row] != 0 and not is_chosen[row]:
            waiting += model_scores[row] - held
        else:
            allowed += max(tolerance * model_scores[row], least)
    return published, waiting, allowed, 0.5 * moved


class Gatekeeper:
    """Asked before each version goes out (`judge`), and told when it has (`published`)."""

    def __init__(
        self, settings: Publish, model: ModelState, cases: CaseArrays, rows: PublishedRows, state: GateState
    ) -> None:
        self._settings = settings
        self._policy = GatePolicy(settings.gate.share_per_hour)
        self._model = model
        self._cases = cases
        self._rows = rows
        self._state = state

    def judge(self, version: Version, watermark_ms: int | None, *, is_live: bool) -> Hold | None:
        """Why the version just cut must not go out, None if it may. Each version is judged once."""
        if not self._settings.gate.enabled:
            return None
        sums, share = (None, 0.0) if version.not_finite or not self._model.n_items else self._tallied(version)
        if self._has_published:
            self._ask_published_model()
        at = NO_CASES if version.not_finite else self._recent()
        evidence = Evidence(
            not_finite=version.not_finite,
            sums=sums,
            pairs=self._pairs(),
            recalled=self._recalled(at, version.model_scores),
            movement=self._movement(share, watermark_ms, is_live=is_live),
        )
        hold = gate.judge(evidence, self._policy)
        self._state.counts[IS_HELD_FOR_SHARE] = hold is not None and hold.reason is Reason.SHARE
        return hold

    def published(self, version: Version, watermark_ms: int | None, *, is_live: bool) -> None:
        """The version was committed, and `confirm` has noted its rows."""
        counts, mark_ms = self._state.counts, NEVER if watermark_ms is None else watermark_ms
        if counts[FIRST_MS] == NEVER:
            counts[FIRST_MS] = mark_ms
            counts[[FIRST_CASE, NEXT_CASE]] = self._cases.n_cases[0]
            counts[IS_DRAINING] = 1
        if not version.waiting.get(self._settings.scores_topic):
            counts[IS_DRAINING] = 0
        if not self._is_limited(mark_ms, is_live=is_live):
            counts[WINDOW_MS] = NEVER
        elif counts[WINDOW_MS] == NEVER or mark_ms - counts[WINDOW_MS] >= HOUR_MS:
            counts[WINDOW_MS] = mark_ms
            self._rows.begin_window()

    @property
    def _has_published(self) -> bool:
        return bool(self._state.counts[FIRST_MS] != NEVER)

    def _is_limited(self, watermark_ms: int, *, is_live: bool) -> bool:
        """Whether the share limit applies. A hold outlives the catching up after a restart."""
        counts = self._state.counts
        is_young = watermark_ms < counts[FIRST_MS] + self._settings.gate.young_s * 1000
        return bool((is_live or counts[IS_HELD_FOR_SHARE]) and not counts[IS_DRAINING] and not is_young)

    def _movement(self, share: float, watermark_ms: int | None, *, is_live: bool) -> Movement | None:
        began_ms = int(self._state.counts[WINDOW_MS])
        if watermark_ms is None or began_ms == NEVER or not self._is_limited(watermark_ms, is_live=is_live):
            return None
        return Movement(share, (watermark_ms - began_ms) / HOUR_MS)

    def _tallied(self, version: Version) -> tuple[Sums, float]:
        n, rows = len(version.model_scores), self._rows
        after, is_chosen = rows.score[:n].copy(), np.zeros(n, np.uint8)
        after[version.scores.rows] = version.score_values
        is_chosen[version.scores.rows] = 1
        published, waiting, allowed, moved = _tally(
            version.model_scores, after, rows.reference, is_chosen, rows.score_waits_since,
            self._settings.tolerance, self._model.n_items,
        )  # fmt: skip
        return Sums(published, waiting, allowed, self._model.n_items), moved

    def _ask_published_model(self) -> None:
        """About the cases since it was last asked, before it is replaced."""
        model, state, rows = self._model, self._state, self._rows
        numbers = sampled.numbers_since(self._cases, int(state.counts[NEXT_CASE]))
        state.counts[NEXT_CASE] = self._cases.n_cases[0]
        if len(numbers) == 0:
            return
        at = numbers % WINDOW
        state.place[at] = sampled.places(self._cases, rows.readable(model), model.scratch, model.items.is_live, numbers)
        items = self._cases.item[at]
        scores = np.where(rows.score_hash[items] == 0, 0.0, rows.score[items])  # not known: NaN, until published again
        is_here = (items >= 0) & (model.items.is_live[items] == 1)
        state.score[at] = np.where(is_here, scores, np.nan)

    def _pairs(self) -> Float64Array:
        numbers = sampled.numbers_since(self._cases, int(self._state.counts[FIRST_CASE]))
        at = numbers[numbers < self._state.counts[NEXT_CASE]] % WINDOW
        return self._differences(at, self._cases.place[at], self._cases.score[at])

    def _recent(self) -> Int64Array:
        """Where the last cases lie that the published model has been asked, and whose items are still here."""
        cases = self._cases
        numbers = sampled.numbers_since(cases, int(self._state.counts[FIRST_CASE]), RECALLED)
        at = numbers[numbers < self._state.counts[NEXT_CASE]] % WINDOW
        items = cases.item[at]
        here: Int64Array = at[(items >= 0) & (self._model.items.is_live[items] == 1)]
        return here

    def _recalled(self, at: Int64Array, model_scores: Float64Array) -> Float64Array:
        """The live model as it is now, on these cases."""
        if len(at) == 0:
            return NO_PAIRS
        model, cases = self._model, self._cases
        live = Readable(model.item_to_item, model.repeat, model.logit, model.fusion, model_scores, model.popularity.top)
        places = sampled.places(cases, live, model.scratch, model.items.is_live, at)
        return self._differences(at, places, model_scores[cases.item[at]])

    def _differences(self, at: Int64Array, places: UInt8Array, scores: Float64Array) -> Float64Array:
        """(n, 3) as `Evidence` has them."""
        n_items, state = self._model.n_items, self._state
        published_ranks = _reciprocal(state.place[at])
        ranks = _reciprocal(places) - published_ranks
        likelihoods = gate.log_likelihood(scores, n_items) - gate.log_likelihood(state.score[at], n_items)
        return np.column_stack((ranks, likelihoods, published_ranks))


def _reciprocal(places: UInt8Array) -> Float64Array:
    """1/place; 0 where the item was not listed."""
    ranks = places.astype(np.float64)
    return np.divide(1.0, ranks, out=np.zeros_like(ranks), where=ranks > 0)
