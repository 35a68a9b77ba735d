"""What the contestants of the likelihood share: the flow, its points, and how they answer.

dx/dt = v(t, x)  from data at t = 0 to noise at t = 1,   log p(x) = log N(x(1)) + ∫₀¹ ∇·v dt
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from case import dense_weights
from dense import sequential
from numpy.random import default_rng
from protocol import receive, send
from torch import Tensor, nn

# Runs in the environments of all contestants: nothing but NumPy and torch is imported here.
WIDTH, STEPS, TOLERANCE = 128, 4, 1e-5
LIKELIHOODS = Callable[[nn.Module, str], Callable[[Tensor], Tensor]]


class Velocity(nn.Module):
    """v(t, x) of points (N, d): two hidden layers of tanh units."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.layers = sequential(*dense_weights([d + 1, WIDTH, WIDTH, d]))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """The velocity (N, d)."""
        return self.layers(torch.cat([x, t.expand(*x.shape[:-1], 1)], -1))


def points(d: int, count: int, dtype: torch.dtype) -> Tensor:
    """The data, the same for all contestants."""
    return torch.tensor(default_rng(1).normal(0, 1, (count, d)), dtype=dtype)


def normal(x: Tensor) -> Tensor:
    """log N(x) of points (N, d)."""
    return -0.5 * (x.square() + math.log(2 * math.pi)).sum(-1)


def serve(versions: dict[str, str], likelihood: LIKELIHOODS, trains: str = "rk4 dopri5") -> None:
    """Answer requests {"d", "points", "batch", "solver", "mode"} until there are none.

    Args:
        versions: of the packages that matter.
        likelihood: (velocity, solver) ↦ what computes log p of points; a solver is `rk4`, with
            `STEPS` steps, or `dopri5`, with `TOLERANCE`.
        trains: the solvers whose likelihood has a gradient in the parameters.
    """
    send({"ready": True, "versions": versions})
    while True:
        asked = receive()
        try:
            send(answer(asked, likelihood, trains))
        except (MemoryError, NotImplementedError, RuntimeError) as error:
            send({"skipped": str(error).splitlines()[0]})


def answer(asked: dict[str, Any], likelihood: LIKELIHOODS, trains: str) -> dict[str, Any]:
    """{"values": log p in float64}, or {"seconds": of an epoch in float32}."""
    if asked["mode"] == "training" and asked["solver"] not in trains:
        raise NotImplementedError("its likelihood has no gradient")
    dtype = torch.float64 if asked["mode"] == "values" else torch.float32
    velocity, x = Velocity(asked["d"]).to(dtype), points(asked["d"], asked["points"], dtype)
    log_prob = likelihood(velocity, asked["solver"])
    if asked["mode"] == "values":
        with torch.no_grad():
            return {"values": log_prob(x).tolist()}
    batches = x.split(asked["batch"])
    epoch(log_prob, velocity, batches[:1], asked["mode"])  # decides, and memory is at hand
    begun = time.process_time()
    value = epoch(log_prob, velocity, batches, asked["mode"])
    return {"seconds": time.process_time() - begun, "value": value}


def epoch(
    log_prob: Callable[[Tensor], Tensor], velocity: nn.Module, batches: Sequence[Tensor], mode: str
) -> float:
    """The mean of log p over batches; with `training` Adam takes a step for each."""
    optimiser, values = torch.optim.Adam(velocity.parameters(), lr=1e-3), []
    for batch in batches:
        with torch.set_grad_enabled(mode == "training"):
            mean = log_prob(batch).mean()
        values.append(float(mean.detach()))
        if mode == "training":
            optimiser.zero_grad()
            (-mean).backward()
            optimiser.step()
    return sum(values) / len(values)
