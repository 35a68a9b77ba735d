"""This package: `Kovasznay`, `MLP`, `Solver` and Lightning's trainer as `pinn.fit` sets it up."""

import inspect
import sys
from typing import Any, Literal, cast

import lightning as L
import torch
from case import LEARNING_RATE, REYNOLDS, Case
from dense import fill, linears, on_device
from lightning.pytorch.loggers import TensorBoardLogger
from protocol import Session

import pinn
from pinn.base.console import quiet
from pinn.callbacks import Checkpoints, Figures
from pinn.networks import MLP
from pinn.objective.compilation import Compilation
from pinn.optim import Phase
from pinn.problems import Kovasznay
from pinn.runs.trainer import TRAINER, fixed_callbacks
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver

ENDLESS = 10**9
Variant = Literal["eager", "recorded", "compiled"]


class Ticker(L.Callback):
    """Steps on request: by the trainer, or `bare` by a plain loop around the same solver."""

    def __init__(self, device: str) -> None:
        versions = {"pinn": pinn.__version__, "torch": torch.__version__}
        self.session = Session(versions, others={"bare": self.bare}, **on_device(device))
        self.trainer: L.Trainer
        self.solver: Solver

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, *_: Any
    ) -> None:
        """A step is about to begin."""
        self.trainer, self.solver = trainer, cast(Solver, pl_module)
        self.session.tick(lambda: float(self.solver.terms["total"]))

    def bare(self, steps: int) -> None:
        """Residuals, backward and Adam without the trainer."""
        optimizer = self.trainer.optimizers[0]
        for _ in range(steps):
            optimizer.zero_grad()
            loss = self.solver.training_step(None, 0)
            loss.backward()
            optimizer.step()


@torch.no_grad()
def fill_scaled(network: MLP, case: Case, problem: Kovasznay) -> None:
    """The weights of the case, for a network that first scales its inputs to [-1, 1].

    W x + b = (W/s) x̂ + (b + W c)  with  x̂ = (x − c) s.
    """
    lower, upper = (
        torch.tensor(side, dtype=torch.float64)
        for side in (problem.geometry.lower, problem.geometry.upper)
    )
    centre, scale = (lower + upper) / 2, 2 / (upper - lower)
    fill(network, case.weights, case.biases)
    first, weight = linears(network)[0], torch.tensor(case.weights[0], dtype=torch.float64)
    first.weight.copy_(weight / scale)
    first.bias.add_(weight @ centre)


def make_solver(case: Case, variant: Variant) -> Solver:
    """The package's solver, compiled, recorded or neither.

    Raises:
        ValueError: the solver cannot be compiled.
    """
    problem, network = Kovasznay(reynolds=REYNOLDS), MLP(case.width, case.depth)
    settings: dict[str, Any] = {}
    if "compile" in inspect.signature(Solver).parameters:
        settings["compile"] = "auto" if variant == "recorded" else variant == "compiled"
    elif variant == "compiled":
        raise ValueError("the solver has no setting `compile`")
    solver = Solver(problem, network, [Phase(ENDLESS, lr=LEARNING_RATE)], **settings)
    if variant == "recorded":
        solver.compilation = Compilation("recorded", "asked for")
    fill_scaled(network, case, problem)
    return solver


def main(path: str, device: str = "cpu", variant: Variant = "eager") -> None:
    quiet()
    case = Case.load(path)
    ticker = Ticker(device)
    solver = make_solver(case, variant)
    data = Collocation({"interior": len(case.interior), "boundary": len(case.boundary)})
    settings = {
        **TRAINER,
        "logger": TensorBoardLogger("runs", name="", version="ours", default_hp_metric=False),
        # Validation and checkpoints are no part of a step.
        "callbacks": [*fixed_callbacks(), Figures(), Checkpoints(every=ENDLESS), ticker],
        "val_check_interval": ENDLESS,
        "accelerator": "gpu" if device == "cuda" else "cpu",
        "devices": 1,
    }
    L.Trainer(**settings).fit(solver, datamodule=data)


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
