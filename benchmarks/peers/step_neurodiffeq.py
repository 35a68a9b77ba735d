"""neurodiffeq: `Solver2D` with one shared network, boundary values by `additional_loss`."""

import sys
from importlib.metadata import version

import torch
from case import LEARNING_RATE, REYNOLDS, Case
from dense import fill
from neurodiffeq import diff
from neurodiffeq.conditions import NoCondition
from neurodiffeq.generators import PredefinedGenerator
from neurodiffeq.networks import FCNN
from neurodiffeq.operators import div, grad, laplacian
from neurodiffeq.solvers import Solver2D
from neurodiffeq.utils import set_tensor_type
from protocol import Session
from torch import Tensor


def equations(u: Tensor, v: Tensor, p: Tensor, x: Tensor, y: Tensor) -> list[Tensor]:
    """Momentum and continuity, each (N, 1)."""

    def convection_diffusion(w: Tensor) -> Tensor:
        w_x, w_y = grad(w, x, y)
        return u * w_x + v * w_y - laplacian(w, x, y) / REYNOLDS

    return [
        convection_diffusion(u) + diff(p, x),
        convection_diffusion(v) + diff(p, y),
        div(u, v, x, y),
    ]


def mean_square(residuals: Tensor, *_: object) -> Tensor:
    """The sum over the equations (the package's own loss takes their mean)."""
    return residuals.square().sum(1).mean()


class Kovasznay(Solver2D):
    """The package's solver with the velocity given on the boundary."""

    boundary: list[Tensor]
    velocity: Tensor

    def additional_loss(self, *_: object) -> Tensor:
        """Mean |u − u_b|² over the boundary."""
        pairs = zip(self.nets[:2], self.conditions[:2], strict=True)
        found = torch.cat([self.compute_func_val(n, c, *self.boundary) for n, c in pairs], dim=1)
        return (found - self.velocity).square().sum(1).mean()


def main(path: str) -> None:
    set_tensor_type(float_bits=32)  # the package sets float64
    case = Case.load(path)
    session = Session({"neurodiffeq": version("neurodiffeq"), "torch": torch.__version__})
    network = FCNN(2, 3, hidden_units=(case.width,) * case.depth, actv=torch.nn.Tanh)
    fill(network, case.weights, case.biases)
    # How the package shares a network: each condition picks one of its outputs, and evaluates it.
    conditions = [NoCondition() for _ in range(3)]
    for output, condition in enumerate(conditions):
        condition.set_impose_on(output)
    points = PredefinedGenerator(*torch.tensor(case.interior.T.copy()))
    solver = Kovasznay(
        equations,
        conditions,
        nets=[network] * 3,
        train_generator=points,
        valid_generator=points,
        n_batches_valid=0,
        loss_fn=mean_square,
        optimizer=torch.optim.Adam(network.parameters(), lr=LEARNING_RATE),
    )
    solver.boundary = [c.reshape(-1, 1) for c in torch.tensor(case.boundary.T.copy())]
    solver.velocity = torch.tensor(case.velocity)

    def tick(solver: Solver2D) -> None:
        session.tick(lambda: solver.metrics_history["train_loss"][-1])

    session.tick(lambda: 0.0)  # the package calls back after a step: let the first one go
    solver.fit(10**9, callbacks=[tick], tqdm_file=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
