"""PINA: a `SpatialProblem` of conditions, its PINN solver and its `Trainer`."""

import math
import sys
from importlib.metadata import version
from typing import Any, ClassVar

import lightning
import torch
from case import LEARNING_RATE, REYNOLDS, Case
from dense import fill
from pina import Condition, LabelTensor, Trainer
from pina.domain import CartesianDomain
from pina.equation import Equation, SystemEquation
from pina.model import FeedForward
from pina.operator import advection, div, grad, laplacian
from pina.optim import TorchOptimizer
from pina.problem import SpatialProblem
from pina.solver import PhysicsInformedSingleModelSolver
from pina.weighting import ScalarWeighting
from protocol import Session

DECAY = REYNOLDS / 2 - math.hypot(REYNOLDS / 2, 2 * math.pi)


def momentum(points: LabelTensor, output: LabelTensor) -> LabelTensor:
    """(u·∇)u + ∇p − ∇²u/Re (N, 2)."""
    velocity, plane = ["u", "v"], ["x", "y"]
    convection = advection(output, points, velocity_field=velocity, components=velocity, d=plane)
    pressure = grad(output, points, components=["p"], d=plane)
    viscous = laplacian(output, points, components=velocity, d=plane)
    return convection + pressure - viscous / REYNOLDS


def continuity(points: LabelTensor, output: LabelTensor) -> LabelTensor:
    """∇·u (N, 1)."""
    return div(output, points, components=["u", "v"], d=["x", "y"])


def given(points: LabelTensor, output: LabelTensor) -> LabelTensor:
    """u − u_b (N, 2); the package shuffles the points, so that u_b is computed where needed."""
    x, y = points.tensor[:, :1], points.tensor[:, 1:]
    wake, phase = torch.exp(DECAY * x), 2 * math.pi * y
    u = 1 - wake * torch.cos(phase)
    v = DECAY / (2 * math.pi) * wake * torch.sin(phase)
    return output.extract(["u", "v"]) - torch.hstack((u, v))


class Kovasznay(SpatialProblem):
    """The case in the package's terms; its conditions are set by `main`."""

    output_variables: ClassVar[list[str]] = ["u", "v", "p"]
    spatial_domain = CartesianDomain({"x": [-0.5, 1.0], "y": [-0.5, 1.5]})
    domains: ClassVar[dict[str, Any]] = {}
    conditions: ClassVar[dict[str, Any]] = {}


class Ticker(lightning.pytorch.Callback):
    """Steps on request."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        """A step is about to begin."""
        self.session.tick(lambda: float(trainer.callback_metrics["train_loss"]))


def main(path: str) -> None:
    case = Case.load(path)
    session = Session({"pina-mathlab": version("pina-mathlab"), "torch": torch.__version__})
    interior, boundary = (
        LabelTensor(torch.tensor(points), ["x", "y"]) for points in (case.interior, case.boundary)
    )
    Kovasznay.conditions = {
        "interior": Condition(input=interior, equation=SystemEquation([momentum, continuity])),
        "boundary": Condition(input=boundary, equation=Equation(given)),
    }
    network = FeedForward(2, 3, layers=[case.width] * case.depth, func=torch.nn.Tanh)
    fill(network, case.weights, case.biases)
    solver = PhysicsInformedSingleModelSolver(
        Kovasznay(),
        network,
        optimizer=TorchOptimizer(torch.optim.Adam, lr=LEARNING_RATE),
        # The package takes the mean over the columns of a residual, the case their sum.
        weighting=ScalarWeighting({"interior": 3.0, "boundary": 2.0}),
    )
    trainer = Trainer(
        solver,
        max_epochs=10**9,
        accelerator="cpu",
        enable_model_summary=False,
        # By default a progress bar and a checkpoint at every step, as an epoch has one step.
        enable_progress_bar=False,
        enable_checkpointing=False,
        callbacks=[Ticker(session)],
    )
    trainer.train()


if __name__ == "__main__":
    main(*sys.argv[1:])
