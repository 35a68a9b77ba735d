"""A continuous normalising flow whose likelihood is exact: eight Gaussians, trained by −log p.

dx/dt = v(t, x)       from a point x of the data at t = 0 to a normally distributed one at t = 1
log p(x) = log N(x(1)) + ∫₀¹ ∇·v dt

python examples/normalising_flow.py --picture flow.png      # in the plane, three minutes
python examples/normalising_flow.py --dimension 64          # a rotated mixture, a known answer
torchrun --nproc_per_node 2 examples/normalising_flow.py    # two processes share a batch
"""

import argparse
import math
import time
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal
from torch.nn.parallel import DistributedDataParallel
from torchdiffeq import odeint, odeint_adjoint

from pinn import Divergence


class Velocity(nn.Module):
    """v(t, x) of points x (…, d): a dense network of the point and the time."""

    def __init__(self, d: int, width: int = 128) -> None:
        super().__init__()
        hidden = nn.Linear(d + 1, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
        self.layers = nn.Sequential(*hidden, nn.Linear(width, d))

    def forward(self, t: Tensor, x: Tensor) -> Tensor:
        """The velocity (…, d)."""
        return self.layers(torch.cat([x, t.expand(*x.shape[:-1], 1)], -1))


class Growth(nn.Module):
    """What the solver integrates:  dx/dt = v,  dl/dt = ∇·v."""

    def __init__(self, velocity: nn.Module) -> None:
        super().__init__()
        self.velocity, self.divergence = velocity, Divergence(argnum=1)

    def forward(self, t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Velocity (…, d) and divergence (…)."""
        return self.divergence.with_value(self.velocity, t, state[0])


class Flow(nn.Module):
    """log p(x) of points x (…, d), and samples.

    Args:
        velocity: v(t, x).
        steps: of the solver `rk4`, through which gradients are taken; None for `dopri5`, which
            chooses its steps and takes gradients by the adjoint equation.
    """

    def __init__(self, velocity: nn.Module, steps: int | None = 8) -> None:
        super().__init__()
        self.growth, self.steps = Growth(velocity), steps

    def forward(self, x: Tensor) -> Tensor:
        """log p(x), (…)."""
        at, change = self.solve(self.growth, (x, x.new_zeros(x.shape[:-1])), (0.0, 1.0))
        return -0.5 * (at[-1].square() + math.log(2 * math.pi)).sum(-1) + change[-1]

    @torch.no_grad()
    def sample(self, noise: Tensor, times: tuple[float, ...] = (1.0, 0.0)) -> Tensor:
        """Normally distributed points (…, d) on their way to the data: (times, …, d)."""
        return self.solve(self.growth.velocity, noise, times)

    def solve(self, f: nn.Module, start: Tensor | tuple, times: tuple[float, ...]) -> Tensor:
        """The solution at the times, by torchdiffeq."""
        at = torch.tensor(times, dtype=start[0].dtype)
        if self.steps is None:
            return odeint_adjoint(f, start, at, method="dopri5", rtol=1e-5, atol=1e-5)
        return odeint(f, start, at, method="rk4", options={"step_size": 1 / self.steps})


def mixture(d: int) -> tuple[MixtureSameFamily, Tensor]:
    """Eight Gaussians on a circle, the other coordinates flat, rotated; and the circle's plane."""
    generator = torch.Generator().manual_seed(0)
    rotation = torch.linalg.qr(torch.randn(d, d, generator=generator))[0] if d > 2 else torch.eye(2)
    angles, plane = torch.arange(8) * math.pi / 4, rotation[:, :2]
    centres = 2 * torch.stack([angles.cos(), angles.sin()], -1) @ plane.T
    variances = torch.cat([torch.full((2,), 0.04), torch.linspace(0.25, 2.0, d - 2)])
    one = MultivariateNormal(centres, rotation * variances @ rotation.T)
    return MixtureSameFamily(Categorical(torch.ones(8)), one), plane


def train(flow: Flow, data: MixtureSameFamily, iterations: int, batch: int = 512) -> float:
    """Minimise −E log p by Adam; seconds per iteration. Processes share a batch."""
    processes = dist.get_world_size() if dist.is_initialized() else 1
    shared = flow if processes == 1 else DistributedDataParallel(flow)
    optimiser = torch.optim.Adam(flow.parameters(), lr=5e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
    begun = time.perf_counter()
    for _ in range(iterations):
        loss = -shared(data.sample((batch // processes,))).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()
    return (time.perf_counter() - begun) / iterations


@torch.no_grad()
def missing(flow: Flow, data: MixtureSameFamily, points: int = 2048) -> float:
    """KL(data ‖ flow) = E[log p_data − log p_flow]: what a perfect flow would gain, in nats."""
    x = data.sample((points,))
    return (data.log_prob(x) - flow(x)).mean().item()


def draw(flow: Flow, data: MixtureSameFamily, plane: Tensor, file: Path) -> None:
    """Samples on their way from noise to the data, and the data, in the circle's plane."""
    import matplotlib.pyplot as plt

    titles = ["t = 1", "t = 0.75", "t = 0.5", "t = 0.25", "t = 0", "data"]
    path = flow.sample(torch.randn(20_000, len(plane)), (1.0, 0.75, 0.5, 0.25, 0.0))
    clouds = [*path, data.sample((20_000,))]
    figure, axes = plt.subplots(1, len(clouds), figsize=(15, 2.8), layout="constrained")
    for ax, cloud, title in zip(axes, clouds, titles, strict=True):
        ax.hist2d(*(cloud @ plane).T, bins=120, range=[[-3, 3]] * 2, cmap="inferno")
        ax.set(title=title, aspect="equal", xticks=[], yticks=[])
    figure.savefig(file, dpi=110)


def main() -> None:
    """Train, say how far the flow is from the data, and draw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--dimension", type=int, default=2)
    parser.add_argument("--iterations", type=int, default=500)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    if dist.is_torchelastic_launched():
        dist.init_process_group("gloo")
    torch.manual_seed(dist.get_rank() if dist.is_initialized() else 0)
    flow, (data, plane) = Flow(Velocity(given.dimension)), mixture(given.dimension)
    seconds = train(flow, data, given.iterations)
    print(f"{seconds:.3f} s per iteration, missing {missing(flow, data):.3f} nats")
    if given.picture:
        draw(flow, data, plane, given.picture)


if __name__ == "__main__":
    main()
