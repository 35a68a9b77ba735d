"""What the JAX contestants share: the dense network."""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from case import Array

Weights = list[tuple[jax.Array, jax.Array]]


def transposed(weights: Sequence[Array], biases: Sequence[Array]) -> Weights:
    """Weights (out, in) and biases (out,) as pairs (in, out), (out,)."""
    return [(jnp.asarray(w.T), jnp.asarray(b)) for w, b in zip(weights, biases, strict=True)]


def dense(weights: Weights, x: jax.Array) -> jax.Array:
    """The network at one point (d,) or at several (N, d)."""
    for weight, bias in weights[:-1]:
        x = jnp.tanh(x @ weight + bias)
    weight, bias = weights[-1]
    return x @ weight + bias
