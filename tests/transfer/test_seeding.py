"""What a new model knows after a warm start, and how soon its own data outweighs it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from consumer.errors import Fatal
from consumer.events.hashing import hash_text
from consumer.models.knowledge import MEMBERS, Network
from tests.transfer.deployments import PLAIN, entries, known_to, scores, shop, started, taught
from tests.worker.world import settings

WHOLE = replace(PLAIN, discount=1.0)
SOURCE = known_to(taught())


def count_of(item: str, discount: float) -> float:
    model = started(SOURCE, plan=replace(PLAIN, discount=discount)).state.model
    return float(model.item_to_item.counts[model.find_item(hash_text(item.encode()))])


def test_the_source_knows_what_its_shop_did() -> None:
    assert sorted(SOURCE.ids) == [b"cup", b"ink", b"jam", b"pen", b"tea"]
    assert SOURCE.item_to_item is not None
    assert SOURCE.item_to_item.counts[SOURCE.ids.index(b"tea")] == pytest.approx(4.0, rel=1e-3)


def test_at_no_discount_the_new_model_scores_as_the_old_one() -> None:
    again = known_to(taught())
    one, other = (scores(started(knowledge, plan=WHOLE).state.model) for knowledge in (SOURCE, again))
    assert one == other
    assert sum(one.values()) == pytest.approx(1.0)
    assert max(one, key=lambda item: one[item]) == "tea"


def test_related_items_are_those_of_the_old_model() -> None:
    model = started(SOURCE, plan=WHOLE).state.model
    assert entries(model, "tea") == pytest.approx({"cup": 3.0, "jam": 1.0}, rel=1e-3)
    assert entries(model, "ink") == pytest.approx({"pen": 1.7}, rel=1e-3)


def test_a_discount_scales_the_evidence_and_leaves_the_shares() -> None:
    assert count_of("tea", 0.25) == pytest.approx(0.25 * count_of("tea", 1.0))
    whole, part = (scores(started(SOURCE, plan=replace(PLAIN, discount=d)).state.model) for d in (1.0, 0.25))
    assert part == pytest.approx(whole)


def test_tables_start_from_the_old_ones_with_less_behind_them() -> None:
    model = started(SOURCE, plan=replace(PLAIN, discount=0.5)).state.model
    assert SOURCE.repeat is not None
    assert np.array_equal(model.repeat.chance, SOURCE.repeat.chance)
    assert model.repeat.n_events.tolist() == (SOURCE.repeat.n_events // 2).tolist()


@pytest.mark.parametrize("member", MEMBERS)
def test_only_the_members_named_are_taken_over(member: str) -> None:
    vectors = np.ones((len(SOURCE.ids), 8), np.float32)
    source = replace(SOURCE, neural=Network(vectors, encoder=None))
    chosen = settings(models={"neural": {"enabled": True, "dimensions": 8, "replay_examples": 2}})
    model = started(source.only([member]), chosen=chosen).state.model
    empty = started(None, chosen=chosen).state.model
    changed = {
        "popularity": bool(model.popularity.positive.any()),
        "item_to_item": bool(model.item_to_item.evidence.any()),
        "repeat": not np.array_equal(model.repeat.chance, empty.repeat.chance),
        "fusion": not np.array_equal(model.fusion.chance, empty.fusion.chance),
        "neural": bool(model.neural.items.vector.any()),
    }
    assert [name for name, is_changed in changed.items() if is_changed] == [member]


def test_renamed_items_keep_what_was_learned_and_unnamed_ones_stay_behind() -> None:
    renamed = SOURCE.renamed({b"tea": b"t-1", b"cup": b"c-1", b"unheard-of": b"u-1"})
    model = started(renamed, plan=WHOLE).state.model
    assert sorted(scores(model)) == ["c-1", "t-1"]
    assert entries(model, "t-1") == pytest.approx({"c-1": 3.0}, rel=1e-3)


def test_other_half_lives_start_from_the_nearest_one() -> None:
    chosen = settings(models={"popularity": {"half_lives_s": (4_000.0,)}, "item_to_item": {"neighbours": 8}})
    model = started(SOURCE, plan=WHOLE, chosen=chosen).state.model
    assert SOURCE.popularity is not None
    row = model.find_item(hash_text(b"tea"))
    assert model.popularity.positive[row, 0] == SOURCE.popularity.positive[SOURCE.ids.index(b"tea"), 0]
    assert model.popularity.mixture.tolist() == [1.0]


def test_a_narrower_row_keeps_the_heaviest_entries() -> None:
    pairs = [("hub", f"item-{n}") for n in range(12) for _ in range(n + 1)]
    world = taught(models={"item_to_item": {"neighbours": 16}}, publish={"related": 8})
    world.produce(shop(pairs=pairs, first=100, at_s=600.0))
    world.live()
    model = started(known_to(world), plan=WHOLE).state.model
    assert sorted(entries(model, "hub")) == sorted(f"item-{n}" for n in range(4, 12))


def test_an_explicit_date_is_when_the_evidence_counts_in_full() -> None:
    at_ms = int(SOURCE.as_of_ms) + 86_400_000
    model = started(SOURCE.dated(at_ms), plan=replace(WHOLE, dated_ms=at_ms)).state.model
    assert model.is_dated
    assert model.popularity.landmark_ms.tolist() == [at_ms] * 3
    assert model.items.seen_ms[: model.n_item_rows].max() == at_ms


def test_without_a_date_the_evidence_waits_for_the_first_event() -> None:
    assert not started(SOURCE).state.model.is_dated
    assert started(None).state.model.is_dated


def test_more_items_than_the_settings_allow_are_refused() -> None:
    many = replace(SOURCE.only([]), ids=[b"item-%d" % n for n in range(101)], seen_ms=np.zeros(101, np.int64))
    with pytest.raises(Fatal, match=r"101 items, but catalogue\.max_items is 100"):
        started(many)


@pytest.mark.parametrize("item", [b"", b"x" * 257])
def test_an_id_that_no_event_can_have_is_refused(item: bytes) -> None:
    odd = replace(SOURCE.only([]), ids=[item], seen_ms=np.zeros(1, np.int64))
    with pytest.raises(Fatal, match=r"input\.max_id_bytes allows 1 to 256"):
        started(odd)


def test_a_table_of_another_release_is_refused() -> None:
    assert SOURCE.repeat is not None
    other = replace(SOURCE, repeat=replace(SOURCE.repeat, chance=np.zeros((2, 2))))
    with pytest.raises(Fatal, match=r"the table of repeat is \(2, 2\), this freshrank works with"):
        started(other)
