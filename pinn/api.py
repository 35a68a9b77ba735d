"""What the command line does, from Python."""

import signal
from pathlib import Path
from typing import Any, Literal

import lightning as L
from torch import nn

from pinn.base.console import quiet, say
from pinn.base.messages import LARGEST_SEED, whole
from pinn.base.signals import terminable
from pinn.callbacks import Checkpoints, Figures
from pinn.callbacks.checkpointing import missing
from pinn.callbacks.interrupt import InterruptedRunError
from pinn.callbacks.users_callbacks import make_ready
from pinn.checkpoints.file import read, restore_weights, start_from, trusting
from pinn.derivatives.evaluate import StrategyName
from pinn.objective.compilation import Compile
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.references import Reference
from pinn.runs.continuation import continues, to_continue
from pinn.runs.ownership import ownership
from pinn.runs.requirements import check_trainer
from pinn.runs.trainer import RunTrainer, make_trainer
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.loss_weights import Method
from pinn.training.solver import Solver


def fit(
    problem: Problem,
    network: nn.Module | list[nn.Module] | dict[str, nn.Module] | None = None,
    phases: list[Phase] | None = None,
    points: dict[str, int] | None = None,
    weights: dict[str, float] | None = None,
    derivatives: StrategyName = "auto",
    compile: Compile = "auto",
    memory: float | None = None,
    weighting: Method = "fixed",
    method: Literal["sobol", "lhs", "uniform", "gauss"] = "sobol",
    resample: int = 0,
    adapt: bool = False,
    refine: dict[str, float] | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    init_from: str | Path | None = None,
    resume: str | Path | None = None,
    trust_old: bool = False,
    reference: str | Path | dict[str, Any] | Reference | None = None,
    accuracy: float | None = None,
    **trainer: Any,
) -> Solution:
    """Solve a problem; the run is kept below `folder` like one of the command line.

        solution = pinn.fit(Kovasznay(), accuracy=1e-6)
        solution = pinn.fit(Kovasznay(), MLP(400, 1, spread=2.0), method="gauss")
        solution(points)["u"]

    Args:
        problem: the equations.
        network: one network for all unknowns, or one per unknown; a list has the layers of one.
        phases: the optimisers, in order. By default LevenbergMarquardt: of the output layer where
            the network is drawn for it (`MLP(spread=…)`, `Patches`), else of all weights; for more
            than 5,000 that every point sees, Adam and L-BFGS.
        points: region → number of collocation points.
        weights: residual → weight of its loss.
        derivatives: how they are computed: `auto`, `rule`, `taylor`, `vmap` or `loop`.
        compile: whether steps run as a compiled graph; `auto` does what ends the run first.
        memory: GiB that an evaluation may take.
        weighting: what multiplies the weights as training goes on.
        method: how points are drawn.
        resample: draw new points every so many steps; 0 keeps the first ones.
        adapt: draw them where the residual is large.
        refine: part of the boundary → a length: half of the interior points lie that near.
        seed: of weights and points.
        folder: where runs are kept; by default `default_root_dir`, or `runs`.
        init_from: a checkpoint whose weights to start from.
        resume: a checkpoint whose run to continue with the same settings, its last phase perhaps
            longer, or with further phases; `auto` takes the newest below `folder`, and begins a run
            where there is none.
        trust_old: whether to read a checkpoint of an earlier version, which has no hash.
        reference: what errors are measured against, in place of what the problem knows: a file, a
            mapping with `file`, and `columns`, `source` or `missing`, or `Reference.from_file(…)`.
        accuracy: in place of network, phases and points: the largest estimated relative error.
        **trainer: settings of `lightning.Trainer`, such as `max_steps` or `devices`. `callbacks`
            are added to those of this package; one of the same class, such as
            `Checkpoints(every=10)`, takes the place of its own.

    Returns:
        The trained solution.

    Raises:
        TypeError, ValueError: a setting that does not exist, cannot work or would be ignored.
        NonFiniteError: the loss became NaN or infinite.
    """
    quiet()
    check_trainer(trainer, prefix="")
    L.seed_everything(whole("seed", seed, 0, LARGEST_SEED), verbose=False)
    judge = str(reference) if isinstance(reference, Path) else reference
    rest = derivatives, compile, memory, weighting, judge, accuracy
    solver = Solver(problem, network, phases, weights, *rest)
    if init_from is not None and resume is not None:
        raise ValueError("resume continues a run, init_from starts a new one: give one of them")
    data = Collocation(points, method, resample, adapt, refine, seed=seed)
    fitter = make_trainer(trainer, [Figures(), Checkpoints()], solver.schedule)
    base = folder or trainer.get("default_root_dir") or "runs"
    with trusting(trust_old):
        if init_from is not None:
            start_from(solver.solution, init_from)
        carry_out(fitter, solver, data, base, resume)
    return solver.solution.eval()


def carry_out(
    trainer: RunTrainer,
    solver: Solver,
    data: Collocation,
    base: str | Path,
    resume: str | Path | None = None,
) -> None:
    """Check that a run can begin or go on, enter its folder, and train.

    Raises:
        CheckpointError: the checkpoint to go on from does not fit.
        LiveRunError: another process trains the run.
        KeyboardInterrupt, SystemExit: SIGINT or SIGTERM arrived, and the last step is saved, where
            one was taken; it ends a script in the usual way, since a loop over runs would catch an
            ordinary error.
    """
    make_ready(trainer, solver, data)
    name = type(solver.problem).__name__.lower()
    with ownership(), terminable():
        checkpoint = to_continue(resume, base, name)
        if resume == "auto" and checkpoint is None:
            say(f"resume='auto': no checkpoint of {name!r} below {base}/{name}: a new run begins")
        if checkpoint is not None and not continues(solver, trainer, checkpoint):
            saved = read(checkpoint)
            solver.on_load_checkpoint(saved)
            restore_weights(solver.solution, saved["state_dict"], checkpoint)
            return
        if not trainer.fast_dev_run:  # type: ignore[attr-defined]
            trainer.take_folder(base, name, checkpoint)
        try:
            trainer.fit(solver, datamodule=data, ckpt_path=checkpoint)
        except InterruptedRunError as stop:
            if stop.signum == signal.SIGINT:
                raise KeyboardInterrupt(str(stop)) from stop
            raise SystemExit(128 + stop.signum) from stop
        except BaseException as error:
            trainer.withdraw()
            if isinstance(error.__context__, KeyboardInterrupt):  # of which Lightning makes an exit
                raise error.__context__ from None
            raise
        if lost := missing(trainer):
            say(f"warning   {lost}")
