"""How one weight moves down its gradient: SGD, AdaGrad, FTRL-proximal.

With g the gradient of the loss by the weight, η the learning rate of this step, λ1 and λ2 the penalties |w| and w²/2:

    SGD       u = w − η·g
    AdaGrad   n += g²;  η_i = η / (√n + ε);  u = w − η_i·g     (Duchi, Hazan, Singer 2011)
              both then  w = soft(u, η·λ1) / (1 + η·λ2)        (the penalties' proximal step: never overshoots zero)
    FTRL      n += g²;  q' = (β + √n) / η;  z += g − (q' − q)·w;  q = q'
              w = −soft(z, λ1) / (q + λ2)                      (McMahan et al. 2013, "Ad click prediction", algorithm 1)

soft(u, a) = sign(u)·max(0, |u| − a). In the paper η is the constant α and q' − q = σ; keeping q lets η follow a
schedule: a step without gradient leaves the weight where it is, whatever η does.

A penalty acts on the weights of the features that a row has, when it has them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from consumer.kernels import hot_kernel
from consumer.messages import Float64Array

SGD = 0
ADAGRAD = 1
FTRL = 2
EPSILON = 1e-8  # ε


@dataclass(frozen=True, slots=True)
class Sgd:
    """Plain steps; remembers nothing."""


@dataclass(frozen=True, slots=True)
class AdaGrad:
    """Each weight its own step, the smaller the more gradient it has seen: right for features of unlike frequency."""


@dataclass(frozen=True, slots=True)
class Ftrl:
    """As AdaGrad, and exact zeros under `l1`; `beta` tames the first steps."""

    beta: float = 1.0


Optimiser = Sgd | AdaGrad | Ftrl


class Recipe(NamedTuple):
    """An optimiser with its penalties, as kernels take it."""

    kind: int
    beta: float
    l1: float
    l2: float


class Weights(NamedTuple):
    """What is learned, feature by feature; what an optimiser doesn't use stays zero."""

    weight: Float64Array  # (n,) w
    squares: Float64Array  # (n,) n: sum of squared gradients
    pull: Float64Array  # (n,) z
    stiffness: Float64Array  # (n,) q


def allocate(n: int) -> Weights:
    return Weights(*(np.zeros(n) for _ in Weights._fields))


def recipe_of(optimiser: Optimiser, l1: float, l2: float) -> Recipe:
    """Raises ValueError naming what is out of range."""
    beta = optimiser.beta if isinstance(optimiser, Ftrl) else 0.0
    for name, value in (("l1", l1), ("l2", l2), ("beta", beta)):
        if not (math.isfinite(value) and value >= 0.0):
            raise ValueError(f"{name} is {value}; it must be a finite number of at least 0")
    kind = {Sgd: SGD, AdaGrad: ADAGRAD, Ftrl: FTRL}[type(optimiser)]
    return Recipe(kind, float(beta), float(l1), float(l2))


@hot_kernel
def soft(value: float, amount: float) -> float:
    """The value, nearer to zero by the amount, but not beyond it."""
    if value > amount:
        return value - amount
    if value < -amount:
        return value + amount
    return 0.0


@hot_kernel
def move(weights: Weights, recipe: Recipe, i: int, gradient: float, rate: float, l1: float, l2: float) -> None:
    """One step of weight i. `l1` and `l2` stand beside the recipe because an intercept goes without them."""
    if recipe.kind != SGD:
        weights.squares[i] += gradient * gradient
    if recipe.kind == FTRL:
        _follow_the_leader(weights, recipe, i, gradient, rate, l1, l2)
        return
    step = rate
    if recipe.kind == ADAGRAD:
        step = rate / (np.sqrt(weights.squares[i]) + EPSILON)
    weights.weight[i] = soft(weights.weight[i] - step * gradient, step * l1) / (1.0 + step * l2)


@hot_kernel
def _follow_the_leader(
    weights: Weights, recipe: Recipe, i: int, gradient: float, rate: float, l1: float, l2: float
) -> None:
    stiffness = (recipe.beta + np.sqrt(weights.squares[i])) / rate
    weights.pull[i] += gradient - (stiffness - weights.stiffness[i]) * weights.weight[i]
    weights.stiffness[i] = stiffness
    divisor = stiffness + l2
    weights.weight[i] = -soft(weights.pull[i], l1) / divisor if divisor > 0.0 else 0.0
