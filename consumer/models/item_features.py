"""What events have said of their items: the latest value of each feature, a bounded number of features an item.

A number x is kept as asinh(x): linear near 0 and logarithmic far from it, so that prices and shares both keep their
meaning and no number is too large for single precision.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel, prefetch
from consumer.messages import FeatureEntries, UInt32Array
from consumer.models.item_to_item import Float32Array
from consumer.models.rows import aligned

NO_SLOT = -1


class ItemFeatures(NamedTuple):
    """Row-aligned with the items' index, K slots an item; those in use come first."""

    name: UInt32Array  # (capacity, K) hash of the feature's name; 0: nothing here
    text: UInt32Array  # (capacity, K) hash of its text; 0: it is a number
    value: Float32Array  # (capacity, K) asinh of the number; 0 for a text


def allocate(capacity: int, slots: int) -> ItemFeatures:
    # One array each: kernels see the same layout with no rows as with many, and are compiled once for both.
    return ItemFeatures(*(aligned((capacity, slots), dtype) for dtype in (np.uint32, np.uint32, np.float32)))


@hot_kernel
def slot_of(features: ItemFeatures, item: int, name: np.uint32, guess: int) -> int:
    """Where the item's feature of this name stands, or NO_SLOT; `guess` is looked at first."""
    if features.name[item, guess] == name:
        return guess
    for slot in range(features.name.shape[1]):
        if features.name[item, slot] == name:
            return slot
        if features.name[item, slot] == np.uint32(0):
            break
    return NO_SLOT


@hot_kernel
def _free_slot(features: ItemFeatures, item: int) -> int:
    for slot in range(features.name.shape[1]):
        if features.name[item, slot] == np.uint32(0):
            return slot
    return NO_SLOT


@hot_kernel
def remember(features: ItemFeatures, item: int, entries: FeatureEntries, start: int, n: int) -> None:
    """Take up entries start … start + n - 1; new names beyond the K slots are passed over."""
    for k in range(start, start + n):
        slot = slot_of(features, item, entries.name[k], min(k - start, features.name.shape[1] - 1))
        if slot == NO_SLOT:
            slot = _free_slot(features, item)
        if slot != NO_SLOT:
            features.name[item, slot] = entries.name[k]
            features.text[item, slot] = entries.text[k]
            features.value[item, slot] = np.float32(np.arcsinh(entries.value[k]))


@hot_kernel
def forget_item(features: ItemFeatures, item: int) -> None:
    """Clear an evicted item's slots."""
    features.name[item, :] = 0
    features.text[item, :] = 0
    features.value[item, :] = 0.0


@hot_kernel
def prefetch_row(features: ItemFeatures, item: int) -> None:
    """Begin to bring near an item's slots."""
    prefetch(features.name, item, 0)
    prefetch(features.text, item, 0)
    prefetch(features.value, item, 0)
