"""A run or a validation as a configuration describes it: exact keys, a folder made late."""

from pathlib import Path
from typing import Any, NoReturn

import lightning as L
from jsonargparse import ActionConfigFile
from lightning.pytorch.cli import LightningArgumentParser
from torch import nn

import pinn.networks
import pinn.problems  # noqa: F401 - classes must exist to be named without their module
from pinn.base.console import say
from pinn.base.recipe import record
from pinn.base.signals import program
from pinn.callbacks import Checkpoints, Figures, NonFiniteError
from pinn.callbacks.announcement import early_end
from pinn.callbacks.checkpointing import missing
from pinn.callbacks.deadline import OVER
from pinn.callbacks.interrupt import InterruptedRunError
from pinn.callbacks.pace import FewSteps
from pinn.callbacks.report import outcome
from pinn.callbacks.saved_configuration import KeepConfig
from pinn.callbacks.users_callbacks import make_ready
from pinn.checkpoints.file import start_from
from pinn.checkpoints.names import newest_first
from pinn.cli.allowed_classes import check_optimizer
from pinn.cli.mistakes import explain
from pinn.cli.request import Request
from pinn.cli.schema import LINKED, SEED
from pinn.cli.yaml_nodes import UsageError
from pinn.objective.chunks import InsufficientMemoryError
from pinn.optim import Phase
from pinn.runs.continuation import continues
from pinn.runs.ranks import LostRankError
from pinn.runs.requirements import check_trainer
from pinn.runs.trainer import TRAINER, RunTrainer, make_trainer
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver


class RunError(Exception):
    """A run that began and could not be finished."""


class Parser(LightningArgumentParser):
    """A parser whose mistakes are one line, not a page of usage, and whose keys are exact."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "allow_abbrev": False})

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong; a parser within another one lets that one say it."""
        if not self.exit_on_error:
            super().error(message, ex)
        raise UsageError(explain(message)) from ex


def make_parser(subcommand: str) -> Parser:
    """What reads the configuration of a run or of a validation."""
    parser = Parser(
        prog=f"train.py {subcommand}",
        description="All keys of a configuration.",
        dump_header=[f"lightning.pytorch=={L.__version__}"],
    )
    parser.add_argument("-c", "--config", action=ActionConfigFile, help="A configuration file.")
    parser.add_argument(f"--{SEED}", type=int, default=0, help="Seed of weights and points.")
    for section, cls in {
        "trainer": RunTrainer,
        "model": Solver,
        "data": Collocation,
        "checkpoints": Checkpoints,
        "pictures": Figures,
    }.items():
        parser.add_lightning_class_args(cls, section)
    parser.set_defaults({f"trainer.{key}": value for key, value in TRAINER.items()})
    parser.link_arguments(SEED, LINKED)
    if subcommand == "validate":
        parser.add_argument("--ckpt_path", type=str, help="The checkpoint with the solution.")
    return parser


class CommandLine:
    """What a configuration describes, made and checked.

    Args:
        request: what was asked for.

    Attributes:
        solver, data, trainer: of the run.
        base: below which runs are kept.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        parser = make_parser(request.subcommand)
        self.config = config = parser.parse_args(request.arguments)
        check_trainer(vars(config.trainer))
        for phase in config.model.phases or ():
            check_optimizer(phase.optimizer, request.allow_import)
        L.seed_everything(config[SEED], workers=True, verbose=False)
        made = parser.instantiate(config, instantiators=[(recorded, nn.Module, True)])
        self.solver: Solver = made.model
        self.data: Collocation = made.data
        self.base = Path(config.trainer.default_root_dir or "runs")
        given, own = vars(made.trainer), [made.pictures, made.checkpoints]
        if request.subcommand == "validate":
            given["logger"] = False
        elif not config.trainer.fast_dev_run:
            own.append(KeepConfig(parser, config, flags=request.flags))
        self.trainer = make_trainer(given, own, self.solver.schedule)
        self.trainer.labels = request.member.settings if request.member else {}

    def prepare(self) -> None:
        """Settle and check all that can be before there is a folder."""
        solver = self.solver
        make_ready(self.trainer, solver, self.data)
        for number, phase in enumerate(solver.schedule.phases, 1):
            rehearse(number, phase)
            phase.build([nn.Parameter(p.to(phase.torch_dtype)) for p in solver.parameters()])
        if self.request.init_from is not None:
            start_from(solver.solution, self.request.init_from)

    def fit(self) -> None:
        """Train: from scratch, from saved weights, or from where a run stopped."""
        solver, trainer, request = self.solver, self.trainer, self.request
        checkpoint = request.checkpoint
        self.prepare()
        if checkpoint and not continues(solver, trainer, checkpoint, request.notices):
            return
        if request.check:
            FewSteps.attach(trainer)
        elif not self.config.trainer.fast_dev_run:
            again = bool(request.resume)
            trainer.take_folder(self.base, request.name, checkpoint, request.label, again)
        program.farewells.append(trainer.withdraw)
        program.advice = self.advice
        try:
            trainer.fit(solver, datamodule=self.data, ckpt_path=checkpoint)
            if trainer.should_stop and early_end(trainer, solver) == OVER:
                say("continue with --resume auto, and the same max_time again")
        except InterruptedRunError as stop:
            stop.advice = self.advice()
            raise
        except LostRankError as gone:
            raise LostRankError(gone.line, self.advice()) from gone
        except NonFiniteError:
            raise
        except InsufficientMemoryError as error:
            raise UsageError(str(error)) from error
        except Exception as error:
            raise RunError(
                f"the run failed with {type(error).__name__}: {explain(error)}"
            ) from error
        finally:
            trainer.withdraw()
        if request.member and trainer.is_global_zero:
            request.member.report({"steps": trainer.global_step, **outcome(solver)})
        if lost := missing(trainer):
            raise RunError(lost)

    def advice(self) -> str:
        """How the run is continued; empty where it cannot be."""
        run = self.trainer.run
        kept = newest_first(run / "checkpoints")[:1] if run else []
        return self.request.advice(kept[0]) if kept else ""

    def validate(self) -> None:
        """Judge the solution in a checkpoint."""
        path = self.config.ckpt_path
        self.solver.attach(self.data)
        start_from(self.solver.solution, path)
        self.trainer.validate(self.solver, datamodule=self.data, ckpt_path=path, verbose=False)


def recorded(cls: type[nn.Module], *args: Any, **kwargs: Any) -> nn.Module:
    """A module that remembers its arguments, so that a checkpoint can make it again."""
    made = cls(*args, **kwargs)
    if not hasattr(made, "_spec"):
        record(made, args, kwargs)
    return made


def rehearse(number: int, phase: Phase) -> None:
    """Try a phase out.

    Raises:
        ValueError: it cannot work; the line says which one.
    """
    try:
        phase.rehearse()
    except ValueError as error:
        raise ValueError(f"phase {number} ({phase.optimizer}): {error}") from error
