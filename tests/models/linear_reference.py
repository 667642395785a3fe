"""`linear` once more, one number at a time, as the formulas of the papers read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field


def soft(value: float, amount: float) -> float:
    return math.copysign(max(0.0, abs(value) - amount), value)


def constant(rate: float, step: int) -> float:
    return rate


def sigmoid(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x > -700.0 else math.exp(x)


@dataclass
class PlainLinear:
    """Weights 0 … n − 1 belong to the features, weight n to the intercept."""

    n: int
    optimiser: str
    rate: float
    is_logistic: bool = False
    l1: float = 0.0
    l2: float = 0.0
    beta: float = 1.0
    clip: float = math.inf
    weights: list[float] = field(default_factory=list)
    seen: list[float] = field(default_factory=list)  # sums of squared gradients
    z: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.weights, self.seen, self.z = ([0.0] * (self.n + 1) for _ in range(3))

    def predict(self, row: Sequence[float]) -> float:
        m = sum(w * x for w, x in zip(self.weights, [*row, 1.0], strict=True))
        return sigmoid(m) if self.is_logistic else m

    def learn(self, row: Sequence[float], label: float, importance: float = 1.0) -> None:
        error = (self.predict(row) - label) * importance
        gradient = [error * x for x in [*row, 1.0]]
        length = math.sqrt(sum(g * g for g in gradient))
        if length > self.clip:
            gradient = [g * self.clip / length for g in gradient]
        for i, (x, g) in enumerate(zip([*row, 1.0], gradient, strict=True)):
            if x != 0.0:
                penalised = i < self.n
                self.step(i, g, self.l1 if penalised else 0.0, self.l2 if penalised else 0.0)

    def step(self, i: int, g: float, l1: float, l2: float) -> None:
        if self.optimiser == "ftrl":  # McMahan et al. 2013, algorithm 1, with α = rate
            sigma = (math.sqrt(self.seen[i] + g * g) - math.sqrt(self.seen[i])) / self.rate
            self.z[i] += g - sigma * self.weights[i]
            self.seen[i] += g * g
            divisor = (self.beta + math.sqrt(self.seen[i])) / self.rate + l2
            self.weights[i] = 0.0 if abs(self.z[i]) <= l1 else -(self.z[i] - math.copysign(l1, self.z[i])) / divisor
            return
        eta = self.rate
        if self.optimiser == "adagrad":
            self.seen[i] += g * g
            eta = self.rate / (math.sqrt(self.seen[i]) + 1e-8)
        self.weights[i] = soft(self.weights[i] - eta * g, eta * l1) / (1.0 + eta * l2)
