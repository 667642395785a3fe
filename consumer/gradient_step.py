"""One optimiser step of the `neural` member, by JAX and optax: the only place that knows them, and needs them.

What it computes is told in `consumer.models.neural_encoder`, whose kernel answers without JAX; a test holds the two
together. The step knows nothing of catalogues: it is given the rows that it touches, padded to one of a few numbers, so
that as many compilations serve whatever the tables' size. It is a pure function; dropout draws from the number of the
step.

AdamW (Loshchilov and Hutter 2019, "Decoupled weight decay regularization") runs row by row, each with a step count of
its own: a row that a step doesn't touch stands still, and a new one is not held to moments that it never had.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

from consumer.errors import Fatal
from consumer.kernel_cache import cache_root, is_writable
from consumer.tables import Array


class Batch(NamedTuple):
    """What a step learns from; R rows that it touches, B examples, N sampled items, L places of a history."""

    histories: Array  # (B, L) int32, rows of the step, latest first; negative: none
    targets: Array  # (B,) int32, rows of the step; negative: no example
    sampled: Array  # (N,) int32, rows of the step
    log_expected: Array  # (N,) float32, how often each is drawn in N draws
    log_expected_targets: Array  # (B,) float32
    rate: Array  # () float32
    row_rates: Array  # (R,) float32, what the rate is multiplied by; 0: the row stands still
    number: Array  # () uint32, of the step


class Recipe(NamedTuple):
    """What is compiled into a step."""

    sharpness: float
    dropout: float
    weight_decay: float


Values = Any
"""The encoder's weights, or their moments: a named tuple of arrays. Another kind of model needs no change here but in
`_encoded`."""


class Touched(NamedTuple):
    """What a step changes."""

    vector: Any  # (R, D) float32
    mean: Any  # (R, D) moments
    square: Any  # (R, D)
    n_steps: Any  # (R,) int32
    weights: Values
    weights_mean: Values
    weights_square: Values
    weights_n_steps: Any  # () int32


Step = Callable[[Touched, Batch], tuple[Touched, Array, Array]]
"""Gives what it changed, the loss before the step, and whether all of that is finite."""


def require() -> None:
    """Raise Fatal unless the packages are there."""
    _jax()


@cache
def _jax() -> Any:
    """JAX, on the CPU unless `JAX_PLATFORMS` names another device; compiled steps are kept beside the kernels."""
    try:
        import jax
        import optax  # noqa: F401 - said here, not at the first step
    except ImportError as error:
        raise Fatal(
            "models.neural.enabled is true, but its packages are not installed: pip install 'freshrank[neural]', or "
            "set it to false"
        ) from error
    if not os.environ.get("JAX_PLATFORMS"):
        jax.config.update("jax_platforms", "cpu")
    if not os.environ.get("JAX_COMPILATION_CACHE_DIR") and is_writable(cache_root() / "steps"):
        jax.config.update("jax_compilation_cache_dir", str(cache_root() / "steps"))
    return jax


@cache
def step_of(recipe: Recipe) -> Step:
    """The step, compiled at its first call for each shape. Raises Fatal where JAX is missing."""
    jax = _jax()
    step: Step = jax.jit(lambda touched, batch: _step(recipe, touched, batch))
    return step


def encoded(weights: Values, vectors: Array, histories: Array) -> Array:
    """(B, D) what the encoder makes of histories, of unit length; for the test that holds the kernel to it."""
    jnp = _jax().numpy
    made: Array = _encoded(weights, _unit(jnp.asarray(vectors)), jnp.asarray(histories), None)
    return made


def _unit(vectors: Any) -> Any:
    jnp = _jax().numpy
    return vectors * (1.0 / jnp.sqrt(jnp.square(vectors).sum(axis=-1, keepdims=True) + 1e-12))


def _encoded(weights: Values, unit: Any, histories: Any, kept: Any) -> Any:
    """`kept` (B, L, D): what dropout leaves, times what makes up for the rest; None: all."""
    jax = _jax()
    jnp = jax.numpy
    is_there = histories >= 0
    seen = unit[jnp.maximum(histories, 0)] * is_there[:, :, None]
    if kept is not None:
        seen = seen * kept
    asks = seen[:, 0] @ weights.attention
    heed = jnp.einsum("bd,bld->bl", asks, seen) + asks @ weights.position.T + weights.recency
    heed = jax.nn.softmax(jnp.where(is_there, heed, -1e9), axis=1)
    context = jnp.einsum("bl,bld->bd", heed, seen)
    return _unit(seen[:, 0] @ weights.latest + context @ weights.value)


def _random_bytes(number: Any, shape: tuple[int, ...]) -> Any:
    """Hashes of their places and the step's number (Ettinger 2018, "lowbias32"): half of a step would go into better
    random numbers."""
    jax = _jax()
    jnp = jax.numpy
    n_words = -(-math.prod(shape) // 4)
    x = jnp.arange(n_words, dtype="uint32") + number * jnp.uint32(0x9E3779B9)
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    x ^= x >> 16
    return jax.lax.bitcast_convert_type(x, "uint8").reshape(-1)[: math.prod(shape)].reshape(shape)


def _loss(recipe: Recipe, vector: Any, weights: Values, batch: Batch) -> Any:
    """Mean −ln of the chance of each target among the sampled items, all of them corrected for how often they are drawn
    (Bengio and Senécal 2008, "Adaptive importance sampling to accelerate training of a neural probabilistic language
    model")."""
    jax = _jax()
    jnp = jax.numpy
    unit = _unit(vector)
    kept = None
    if recipe.dropout > 0.0:
        bits = _random_bytes(batch.number, (*batch.histories.shape, vector.shape[1]))
        kept = (bits >= round(256 * recipe.dropout)) * jnp.float32(1.0 / (1.0 - recipe.dropout))
    made = _encoded(weights, unit, batch.histories, kept)
    targets = unit[jnp.maximum(batch.targets, 0)]
    of_target = recipe.sharpness * jnp.sum(made * targets, axis=1) - batch.log_expected_targets
    of_sampled = recipe.sharpness * (made @ unit[batch.sampled].T) - batch.log_expected
    is_target = batch.sampled[None, :] == batch.targets[:, None]
    of_sampled = jnp.where(is_target, -jnp.inf, of_sampled)
    total = jax.nn.logsumexp(jnp.concatenate((of_target[:, None], of_sampled), axis=1), axis=1)
    counts = batch.targets >= 0
    return jnp.sum(jnp.where(counts, total - of_target, 0.0)) / jnp.maximum(counts.sum(), 1)


def _step(recipe: Recipe, touched: Touched, batch: Batch) -> tuple[Touched, Any, Any]:
    import optax

    jax = _jax()
    jnp = jax.numpy
    loss, (of_rows, of_weights) = jax.value_and_grad(
        lambda parts: _loss(recipe, parts[0], parts[1], batch)
    )((touched.vector, touched.weights))  # fmt: skip

    def moved(rate: Any, gradient: Any, value: Any, mean: Any, square: Any, n_steps: Any) -> Any:
        optimiser = optax.adamw(rate, weight_decay=recipe.weight_decay)
        adam, *others = optimiser.init(value)
        state = (adam._replace(count=n_steps, mu=mean, nu=square), *others)
        change, (adam, *_) = optimiser.update(gradient, state, value)
        return optax.apply_updates(value, change), adam.mu, adam.nu, adam.count

    vector, mean, square, n_steps = jax.vmap(moved)(
        batch.rate * batch.row_rates, of_rows, touched.vector, touched.mean, touched.square, touched.n_steps
    )
    weights = moved(
        batch.rate, of_weights, touched.weights, touched.weights_mean, touched.weights_square, touched.weights_n_steps
    )
    after = Touched(vector, mean, square, n_steps, *weights)
    is_finite = jnp.isfinite(loss)
    for array in jax.tree.leaves(after):
        is_finite &= jnp.isfinite(array).all()
    return after, loss, is_finite
