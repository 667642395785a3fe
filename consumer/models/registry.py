"""Every member there is, by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from consumer.models.base import Member
from consumer.models.item_to_item_member import ItemToItemMember
from consumer.models.linear_member import LinearMember
from consumer.models.neural_member import NeuralMember
from consumer.models.popularity_member import PopularityMember
from consumer.models.repeat_member import RepeatMember
from consumer.models.session_knn_member import SessionKnnMember
from consumer.settings import Models

MEMBERS: Mapping[str, Callable[[Models, int], Member]] = {
    PopularityMember.name: PopularityMember,
    ItemToItemMember.name: ItemToItemMember,
    RepeatMember.name: RepeatMember,
    SessionKnnMember.name: SessionKnnMember,
    LinearMember.name: LinearMember,
    NeuralMember.name: NeuralMember,
}
"""How to make each: from the settings of the models and the number of item rows."""
