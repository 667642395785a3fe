"""Paired figures, calibration and agreement on cases whose answers can be told beforehand."""

from __future__ import annotations

import numpy as np
import pytest

from consumer.comparison.agreement import agreement_of
from consumer.comparison.calibration import ScoreTally
from consumer.comparison.paired import paired_figures
from consumer.evaluation.answers import Answers
from consumer.events.admission import Admission
from consumer.events.codec import JsonCodec
from consumer.learning import quality
from consumer.messages import Int64Array
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.term import new_state
from tests.replay.partitions import batch
from tests.worker.world import event, settings


def answers(ranks: list[int], sessions: list[int] | None = None) -> Answers:
    """The ensemble's places, one question each."""
    n = len(ranks)
    of_members = np.zeros((n, len(quality.MEMBERS)), np.uint8)
    of_members[:, 0] = ranks
    return Answers(
        of_members,
        np.zeros(n, np.uint8),
        np.zeros(n, np.int16),
        np.array(sessions or range(n), np.uint64),
        np.zeros(n, np.int64),
    )


def at(offsets: range | list[int], partition: int = 0) -> Int64Array:
    return np.array([(partition, offset) for offset in offsets], np.int64).reshape(-1, 2)


def test_figures_are_of_the_questions_that_both_were_asked_about_the_same_records() -> None:
    found = paired_figures((answers([1, 0, 2, 0]), at([5, 6, 7, 9])), (answers([4, 4, 0]), at([7, 5, 8])))
    assert found.n_questions == 2
    assert found.n_asked == (4, 3)
    assert found.hit_ratio is not None
    assert found.mrr is not None
    assert (found.hit_ratio.first.value, found.hit_ratio.second.value) == (1.0, 1.0)
    assert found.mrr.first.value == pytest.approx((1 + 1 / 2) / 2)
    assert found.mrr.second.value == pytest.approx(1 / 4)
    assert found.mrr.difference.value == pytest.approx(1 / 4 - 3 / 4)


def test_the_interval_of_the_difference_is_paired() -> None:
    """Both hit the same half of the questions, and the second one a few more: each is uncertain, the difference not."""
    rng = np.random.default_rng(1)
    first = (rng.random(2_000) < 0.5).astype(int)
    second = np.maximum(first, np.arange(2_000) % 50 == 0)
    found = paired_figures((answers(first.tolist()), at(range(2_000))), (answers(second.tolist()), at(range(2_000))))
    assert found.hit_ratio is not None
    width = found.hit_ratio.first.high - found.hit_ratio.first.low
    difference = found.hit_ratio.difference
    assert width > 0.03
    assert 0.0 < difference.low < difference.value < difference.high < 0.03
    assert difference.high - difference.low < width / 2


def test_sessions_are_drawn_as_a_whole() -> None:
    alike = [session % 2 for session in range(20) for _ in range(50)]
    sessions = [session for session in range(20) for _ in range(50)]
    by_session = paired_figures((answers(alike, sessions), at(range(1_000))), (answers(alike), at(range(1_000))))
    each = paired_figures((answers(alike), at(range(1_000))), (answers(alike), at(range(1_000))))
    assert by_session.hit_ratio is not None
    assert each.hit_ratio is not None
    wide, narrow = by_session.hit_ratio.first, each.hit_ratio.first
    assert wide.high - wide.low > 4 * (narrow.high - narrow.low)


def test_without_a_common_question_there_is_no_figure() -> None:
    found = paired_figures((answers([1]), at([1])), (answers([1]), at([1], partition=2)))
    assert (found.n_questions, found.hit_ratio, found.mrr) == (0, None, None)


def learned(items: list[str], chosen: Settings | None = None) -> ModelState:
    """A model that saw a view of each by somebody new, a second apart."""
    chosen = chosen or settings()
    state = new_state(chosen)
    values = [event(n, f"user-{n}", item, at_s=n) for n, item in enumerate(items)]
    state.trainer.learn(state.admission.admit(JsonCodec(chosen.input).decode(batch("t", 0, 0, values))))
    return state.model


def tally_of(model: ModelState, items: list[str], kind: str = "view") -> ScoreTally:
    chosen = settings()
    tally = ScoreTally(model, chosen)
    values = [event(n, f"other-{n}", item, at_s=n, event_type=kind) for n, item in enumerate(items)]
    admitted = Admission(chosen.input).admit(JsonCodec(chosen.input).decode(batch("t", 0, 0, values)))
    tally.take(admitted, np.ones(len(items), np.uint8))
    return tally


def test_scores_that_say_what_follows_are_calibrated() -> None:
    items = ["lamp"] * 6 + ["desk"] * 3 + ["vase"] * 1
    found = tally_of(learned(items), items).result()
    assert sum(found.expected) == pytest.approx(1.0)
    assert found.error < 0.01
    assert (found.n_items, found.n_events, found.new_share) == (3, 10, 0.0)
    assert found.log_loss == pytest.approx(-(0.6 * np.log(0.6) + 0.3 * np.log(0.3) + 0.1 * np.log(0.1)), abs=0.01)


def test_what_goes_elsewhere_than_expected_and_to_new_items_is_told() -> None:
    model = learned(["lamp"] * 6 + ["desk"] * 3 + ["vase"] * 1)
    found = tally_of(model, ["vase"] * 3 + ["sofa"]).result()
    assert sum(found.followed[-2:]) == pytest.approx(1.0)
    assert found.error == pytest.approx(0.9, abs=0.01)
    assert found.new_share == pytest.approx(0.25)


def test_negative_events_and_a_model_that_knows_nothing_are_no_fault() -> None:
    found = tally_of(learned(["lamp"]), ["lamp"], "remove_from_cart").result()
    assert (found.n_events, found.log_loss) == (0, None)
    empty = tally_of(ModelState(settings()), ["lamp"]).result()
    assert (empty.n_items, empty.new_share) == (0, 1.0)


def test_a_model_agrees_with_itself_and_not_with_its_reverse() -> None:
    rising = [f"item-{k}" for k in range(10) for _ in range(k + 1)]
    falling = [f"item-{k}" for k in range(10) for _ in range(10 - k)]
    same = agreement_of(learned(rising), learned(rising), 3)
    assert (same.top_overlap, same.n_common) == (1.0, 10)
    assert same.rank_correlation == pytest.approx(1.0)
    reverse = agreement_of(learned(rising), learned(falling), 3)
    assert reverse.top_overlap == 0.0
    assert reverse.rank_correlation == pytest.approx(-1.0)


def test_models_without_common_items_do_not_agree() -> None:
    found = agreement_of(learned(["lamp", "desk"]), learned(["vase"]), 100)
    assert (found.top_overlap, found.rank_correlation, found.n_common, found.n_items) == (0.0, None, 0, (2, 1))
