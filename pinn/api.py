"""From Python what the command line does."""

from pathlib import Path
from typing import Any, Literal

import lightning as L
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.rank_zero import rank_zero_only

from pinn.balance import Method
from pinn.callbacks import (
    Alarm,
    Announce,
    FiniteGuard,
    Keeper,
    Panels,
    Report,
    Scalars,
    progress_bar,
)
from pinn.checkpoint import AtomicCheckpointIO, read, restore_weights
from pinn.console import is_terminal
from pinn.data import Collocation
from pinn.derivatives import StrategyName
from pinn.mode import Compile
from pinn.networks import Network
from pinn.optim import Phase
from pinn.problem import Problem
from pinn.quiet import quiet
from pinn.runs import new_run
from pinn.solution import Solution
from pinn.solver import Solver

# What every trainer of this package starts from; each can be set under `trainer`.
TRAINER: dict[str, Any] = {
    "log_every_n_steps": 50,
    "val_check_interval": 200,
    "check_val_every_n_epoch": None,
    "num_sanity_val_steps": 0,
    "enable_model_summary": False,
    # Off a terminal, lines take the place of the bar.
    "enable_progress_bar": is_terminal(),
}


def fixed_callbacks() -> list[L.Callback]:
    """The callbacks of every run, besides `Panels` and `Keeper`, which have settings."""
    return [Announce(), FiniteGuard(), Scalars(), progress_bar(), Report(), Alarm()]


def fit(
    problem: Problem,
    network: Network | dict[str, Network],
    phases: list[Phase] | None = None,
    points: dict[str, int] | None = None,
    weights: dict[str, float] | None = None,
    strategy: StrategyName = "auto",
    compile: Compile = "auto",
    memory: float | None = None,
    balance: Method = "fixed",
    method: Literal["sobol", "lhs", "uniform", "gauss"] = "sobol",
    resample: int = 0,
    adapt: bool = False,
    seed: int = 0,
    folder: str | Path = "runs",
    init_from: str | Path | None = None,
    **trainer: Any,
) -> Solution:
    """Solve a problem; the run is kept below `folder` like one of the command line.

        solution = pinn.fit(Kovasznay(), MLP(400, 1, spread=2.0), method="gauss")
        solution(points)["u"]

    Args:
        problem: the equations.
        network: one network for all unknowns, or one per unknown.
        phases: the optimisers, in order. By default LevenbergMarquardt: of the output layer where
            the network is drawn for it (`MLP(spread=…)`), else of all weights if they are up to
            5,000; for more, Adam and L-BFGS.
        points: region → number of collocation points.
        weights: residual → weight of its loss.
        strategy: how derivatives are computed.
        compile: whether steps run as a compiled graph; `auto` does what ends the run first.
        memory: GiB that an evaluation may take.
        balance: what multiplies the weights as training goes on.
        method: how points are drawn.
        resample: draw new points every so many steps; 0 keeps the first ones.
        adapt: draw them where the residual is large.
        seed: of weights and points.
        folder: where runs are kept.
        init_from: a checkpoint whose weights to start from.
        **trainer: settings of `lightning.Trainer`, such as `max_steps` or `devices`.

    Returns:
        The trained solution.
    """
    quiet()
    L.seed_everything(seed, verbose=False)
    solver = Solver(problem, network, phases, weights, strategy, compile, memory, balance)
    if init_from is not None:
        restore_weights(solver.solution, read(init_from)["state_dict"], init_from)
    data = Collocation(points, method, resample, adapt, seed=seed)
    name = type(problem).__name__.lower()
    # The first of several processes makes the folder and tells the others.
    first = getattr(rank_zero_only, "rank", 0) == 0
    run = new_run(folder, name) if first else Path(folder) / name
    settings = {
        **TRAINER,
        "logger": TensorBoardLogger(run.parent, name="", version=run.name, default_hp_metric=False),
        "callbacks": [*fixed_callbacks(), Panels(), Keeper()],
        "plugins": [AtomicCheckpointIO()],
        **trainer,
    }
    L.Trainer(**settings).fit(solver, datamodule=data)
    return solver.solution.eval()
