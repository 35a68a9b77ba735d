"""Score matching with an exact trace: ∇ log p of points in the plane, without knowing p.

s = ∇ log p  minimises  E[½ ‖s(x)‖² + ∇·s(x)]        (A. Hyvärinen, JMLR 6, 2005)

python examples/score_matching.py --picture score.png       # one minute
"""

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from pinn import Divergence


def spiral(count: int = 12) -> MixtureSameFamily:
    """Gaussians along a spiral: a density whose score is known."""
    along = torch.linspace(0.2, 1.0, count)
    angles = 3 * math.pi * along
    centres = 2.2 * along[:, None] * torch.stack([angles.cos(), angles.sin()], -1)
    widths = torch.full((count, 2), 0.35)
    return MixtureSameFamily(
        Categorical(torch.ones(count)), Independent(Normal(centres, widths), 1)
    )


def known_score(data: MixtureSameFamily, x: Tensor) -> Tensor:
    """∇ log p at points (N, 2)."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(data.log_prob(x).sum(), x)[0]


def network(width: int = 128) -> nn.Sequential:
    """s(x) of points (N, 2)."""
    hidden = nn.Linear(2, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
    return nn.Sequential(*hidden, nn.Linear(width, 2))


def train(score: nn.Module, data: MixtureSameFamily, iterations: int, batch: int = 512) -> None:
    """Minimise E[½ ‖s‖² + ∇·s] by Adam."""
    divergence = Divergence()
    optimiser = torch.optim.Adam(score.parameters(), lr=5e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, iterations)
    for _ in range(iterations):
        x = data.sample((batch,))
        loss = (0.5 * score(x).square().sum(-1) + divergence(score, x)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        decay.step()


@torch.no_grad()
def error(score: nn.Module, data: MixtureSameFamily, points: int = 4096) -> float:
    """‖s − ∇ log p‖ / ‖∇ log p‖ in the mean square over the data."""
    x = data.sample((points,))
    with torch.enable_grad():
        exact = known_score(data, x)
    return ((score(x) - exact).norm() / exact.norm()).item()


def draw(score: nn.Module, data: MixtureSameFamily, file: Path) -> None:
    """The density with the known score, and with the one that was learnt from samples."""
    import matplotlib.pyplot as plt

    x, y = torch.meshgrid(*[torch.linspace(-3.5, 3.5, 141)] * 2, indexing="xy")
    at = torch.stack([x, y], -1)
    density = data.log_prob(at).exp()
    figure, axes = plt.subplots(1, 2, figsize=(11, 5.8), layout="constrained")
    arrows = at[::5, ::5][density[::5, ::5] > 4e-3]
    fields = {
        "the known score": known_score(data, arrows),
        "learnt from samples": score(arrows).detach(),
    }
    for ax, (title, field) in zip(axes, fields.items(), strict=True):
        ax.contourf(x, y, density.sqrt(), levels=30, cmap="magma")
        ax.quiver(*arrows.T, *field.T, color="w", angles="xy", scale=90, width=2.5e-3)
        ax.set(title=title, aspect="equal", xticks=[], yticks=[])
    figure.savefig(file, dpi=110)


def main() -> None:
    """Train, compare with the known score, and draw."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--iterations", type=int, default=2000)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    torch.manual_seed(0)
    score, data = network(), spiral()
    train(score, data, given.iterations)
    print(f"the score is off by {100 * error(score, data):.1f} %")
    if given.picture:
        draw(score, data, given.picture)


if __name__ == "__main__":
    main()
