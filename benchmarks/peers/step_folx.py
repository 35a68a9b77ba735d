"""JAX with folx's forward Laplacian, the whole step compiled; Adam by optax."""

import sys
from typing import Any

import folx
import jax
import jax.numpy as jnp
import optax
from case import LEARNING_RATE, REYNOLDS, Case
from jax_dense import Weights, dense, transposed
from protocol import Session


def total_loss(weights: Weights, interior: Any, boundary: Any, velocity: Any) -> jax.Array:
    """The loss of the case."""

    def residual(x: jax.Array) -> jax.Array:
        y = folx.forward_laplacian(lambda at: dense(weights, at), 0)(x)
        slopes = y.jacobian.dense_array  # (2, 3)
        momentum = y.x[:2] @ slopes[:, :2] + slopes[:, 2] - y.laplacian[:2] / REYNOLDS
        return jnp.append(momentum, slopes[0, 0] + slopes[1, 1])

    equations = jax.vmap(residual)(interior)
    given = dense(weights, boundary)[:, :2] - velocity
    return jnp.mean(jnp.sum(equations**2, 1)) + jnp.mean(jnp.sum(given**2, 1))


def main(path: str) -> None:
    case = Case.load(path)
    versions = {"jax": jax.__version__, "folx": folx.__version__}
    points = [jnp.asarray(a) for a in (case.interior, case.boundary, case.velocity)]
    latest: dict[str, Any] = {"loss": 0.0}
    session = Session(versions, synchronise=lambda: jax.block_until_ready(latest))
    weights = transposed(case.weights, case.biases)
    adam = optax.adam(LEARNING_RATE)
    state = adam.init(weights)

    @jax.jit
    def step(weights: Weights, state: Any) -> tuple[Weights, Any, jax.Array]:
        loss, gradient = jax.value_and_grad(total_loss)(weights, *points)
        updates, state = adam.update(gradient, state)
        return optax.apply_updates(weights, updates), state, loss

    while True:
        session.tick(lambda: latest["loss"])
        weights, state, loss = step(weights, state)
        latest.update(weights=weights, loss=loss)


if __name__ == "__main__":
    main(*sys.argv[1:])
