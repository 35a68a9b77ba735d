"""TorchPhysics: `PINNCondition`s on data samplers, its `Solver` and Lightning's trainer."""

import math
import sys
from importlib.metadata import version
from typing import Any

import pytorch_lightning
import torch
import torchphysics as tp
from case import LEARNING_RATE, REYNOLDS, Case
from dense import fill
from protocol import Session
from torch import Tensor

DECAY = REYNOLDS / 2 - math.hypot(REYNOLDS / 2, 2 * math.pi)


def equations(u: Tensor, p: Tensor, x: Tensor) -> Tensor:
    """Momentum and continuity (N, 3)."""
    viscous = [tp.utils.laplacian(u[:, i : i + 1], x) for i in (0, 1)]
    convection = tp.utils.convective(u, u, x)
    momentum = convection + tp.utils.grad(p, x) - torch.column_stack(viscous) / REYNOLDS
    return torch.column_stack((momentum, tp.utils.div(u, x)))


def velocity(x: Tensor) -> Tensor:
    """u_b (N, 2)."""
    wake, phase = torch.exp(DECAY * x[:, :1]), 2 * math.pi * x[:, 1:]
    return torch.column_stack(
        (1 - wake * torch.cos(phase), DECAY / (2 * math.pi) * wake * torch.sin(phase))
    )


def given(u: Tensor, u_b: Tensor) -> Tensor:
    """u − u_b (N, 2)."""
    return u - u_b


class Ticker(pytorch_lightning.Callback):
    """Steps on request."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def on_train_batch_start(self, trainer: pytorch_lightning.Trainer, *_: Any) -> None:
        """A step is about to begin."""
        self.session.tick(lambda: float(trainer.callback_metrics["train/loss"]))


def main(path: str) -> None:
    case = Case.load(path)
    session = Session({"torchphysics": version("torchphysics"), "torch": torch.__version__})
    plane = tp.spaces.R2("x")
    unknowns = tp.spaces.R2("u") * tp.spaces.R1("p")
    network = tp.models.FCN(plane, unknowns, hidden=(case.width,) * case.depth)
    fill(network, case.weights, case.biases)
    interior, boundary = (
        tp.samplers.DataSampler(tp.spaces.Points(torch.tensor(points), plane)).make_static()
        for points in (case.interior, case.boundary)
    )
    conditions = [
        tp.conditions.PINNCondition(network, interior, equations, name="interior"),
        tp.conditions.PINNCondition(
            network, boundary, given, data_functions={"u_b": velocity}, name="boundary"
        ),
    ]
    optimizer = tp.OptimizerSetting(torch.optim.Adam, lr=LEARNING_RATE)
    trainer = pytorch_lightning.Trainer(
        max_steps=10**7,  # the package makes a data set of this length
        accelerator="cpu",
        num_sanity_val_steps=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[Ticker(session)],
    )
    trainer.fit(tp.solver.Solver(conditions, optimizer_setting=optimizer))


if __name__ == "__main__":
    main(*sys.argv[1:])
