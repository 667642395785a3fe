"""From what `--from` names to the state that a new deployment starts with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from consumer.checkpoints.loading import AllState
from consumer.errors import Fatal
from consumer.events.hashing import hash_text
from consumer.messages import Positions
from consumer.models.knowledge import MEMBERS, Knowledge, Network
from consumer.models.neural_seeding import seed_network
from consumer.models.seeding import seed, undate
from consumer.models.state import ModelState
from consumer.settings import Settings
from consumer.term import new_state
from consumer.transfer.cold_items import place_cold_items
from consumer.transfer.first_checkpoint import Deployment, write_first_checkpoint
from consumer.transfer.id_mapping import read_mapping
from consumer.transfer.sources import Kind, Source, read_knowledge, require_members
from consumer.transfer.vectors import ItemVectors, read_vectors


@dataclass(frozen=True, slots=True)
class Plan:
    sources: tuple[str, ...]
    members: tuple[str, ...] = MEMBERS
    mapping: Path | None = None
    discount: float = 0.1
    strength: float = 0.5
    ids_file: Path | None = None
    vector_mapping: Path | None = None
    dated_ms: int | None = None


@dataclass(frozen=True, slots=True)
class WarmStarted:
    """A state that has learned nothing yet, and knows something all the same."""

    state: AllState
    told: str

    def write(self, deployment: Deployment, positions: Positions) -> str:
        """Make it the deployment's first checkpoint; returns its name. Raises Fatal, see `write_first_checkpoint`."""
        return write_first_checkpoint(deployment, self.state, positions)


def warm_started(plan: Plan, settings: Settings, now_s: float) -> WarmStarted:
    """Read everything the plan names. Raises Fatal for what is wrong with it; touches nothing of the deployment."""
    require_members(plan.members)
    sources = [Source.of(text) for text in plan.sources]
    others = [source for source in sources if source.kind is not Kind.VECTORS]
    if len(others) > 1:
        raise Fatal(f"one deployment to start from is enough, but --from names {len(others)}")
    knowledge = _knowledge(plan, others[0]) if others else None
    files = [_vectors(plan, source) for source in sources if source.kind is Kind.VECTORS]
    return started_with(settings, knowledge, files, plan, now_s)


def started_with(
    settings: Settings, knowledge: Knowledge | None, files: Sequence[ItemVectors], plan: Plan, now_s: float
) -> WarmStarted:
    """Vectors come last: they serve the items that nothing else is known about."""
    state, told = new_state(settings), []
    as_of_ms = now_s * 1000.0 if plan.dated_ms is None else float(plan.dated_ms)
    if knowledge is not None:
        as_of_ms = knowledge.as_of_ms
        _require_possible_ids(knowledge.ids, settings)
        seed(state.model, knowledge, plan.discount)
        told.append(
            f"{len(knowledge.ids):,} items and {', '.join(knowledge.members)} at a discount of {plan.discount:g}"
        )
    for vectors in files:
        _require_possible_ids(vectors.ids, settings)
        n_cold = place_cold_items(state.model, vectors, as_of_ms, plan.strength)
        told.append(f"{n_cold:,} items without interactions beside their neighbours by vectors")
        if "neural" in plan.members and settings.models.neural.enabled:
            told.append(_give_to_network(state.model, vectors))
    if plan.dated_ms is None:
        undate(state.model)
    return WarmStarted(state, "; ".join(told))


def _knowledge(plan: Plan, source: Source) -> Knowledge:
    knowledge = read_knowledge(source).only(plan.members)
    if plan.mapping is not None:
        n_before = len(knowledge.ids)
        knowledge = knowledge.renamed(read_mapping(plan.mapping))
        if n_before and not knowledge.ids:
            raise Fatal(f"{plan.mapping} lists none of the {n_before} items in its column `from`")
    return knowledge if plan.dated_ms is None else knowledge.dated(float(plan.dated_ms))


def _vectors(plan: Plan, source: Source) -> ItemVectors:
    vectors = read_vectors(source.path, plan.ids_file)
    if plan.vector_mapping is None:
        return vectors
    renamed = vectors.renamed(read_mapping(plan.vector_mapping))
    if vectors.ids and not renamed.ids:
        raise Fatal(f"{plan.vector_mapping} lists none of the {len(vectors.ids)} items of {source.path}")
    return renamed


def _give_to_network(model: ModelState, vectors: ItemVectors) -> str:
    n, n_dimensions = vectors.vectors.shape
    rows = np.array([model.find_item(hash_text(item)) for item in vectors.ids], np.int32)
    n_taken = seed_network(model, rows, Network(vectors.vectors, encoder=None))
    if n and not n_taken:
        return "none of these vectors for the network, which has those of another source, or they are 0"
    width = model.settings.models.neural.dimensions
    brought = "" if width == n_dimensions else f", brought from {n_dimensions} dimensions to {width}"
    left = "" if n_taken == n else f"; {n - n_taken:,} of length 0 begin as new items do"
    return f"{n_taken:,} vectors for the network{brought}{left}"


def _require_possible_ids(ids: Sequence[bytes], settings: Settings) -> None:
    most = settings.input.max_id_bytes
    for item in ids:
        if not 0 < len(item) <= most:
            text = item.decode(errors="replace")
            raise Fatal(f"item id {text[:80]!r} has {len(item)} bytes; input.max_id_bytes allows 1 to {most}")
