"""LightningCLI for this program: exact keys, run folders made late, exact resumption."""

from pathlib import Path
from typing import Any, NoReturn

import lightning as L
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from torch import nn

import pinn.networks
import pinn.problems  # noqa: F401 - classes must exist to be named without their module
from pinn.base.console import say
from pinn.base.recipe import record
from pinn.callbacks import Checkpoints, FewSteps, Figures, NonFiniteError
from pinn.callbacks.announcement import early_end
from pinn.callbacks.checkpointing import newest_first
from pinn.callbacks.deadline import OVER
from pinn.callbacks.monitored_metrics import make_ready
from pinn.callbacks.report import outcome
from pinn.callbacks.saved_configuration import KeepConfig
from pinn.callbacks.signals import InterruptedRunError
from pinn.checkpoints.file import start_from
from pinn.cli.allowed_classes import check_optimizer
from pinn.cli.mistakes import explain
from pinn.cli.request import Request
from pinn.cli.yaml_nodes import UsageError
from pinn.objective.chunks import InsufficientMemoryError
from pinn.optim import Phase
from pinn.runs.continuation import continues
from pinn.runs.requirements import check_trainer, seed
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

    def instantiate(self, *args: Any, **kwargs: Any) -> Any:
        """Make the objects of a configuration; modules remember their arguments."""
        own = [(recorded, nn.Module, True)]
        return super().instantiate(*args, **{"instantiators": own, **kwargs})


class CommandLine(LightningCLI):
    """`fit` or `validate` as a configuration describes it.

    Args:
        request: what was asked for.
        train: whether to do it; else all is only made and checked.
    """

    def __init__(self, request: Request, train: bool = True) -> None:
        self.request, self.train = request, train
        self.checkpoint = request.checkpoint
        super().__init__(
            Solver,
            Collocation,
            save_config_callback=None,  # as a callback of the trainer that is made here
            trainer_class=RunTrainer,
            trainer_defaults=TRAINER,
            seed_everything_default=0,
            parser_class=Parser,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=request.arguments,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """What can be asked for, and which of the trainer's arguments are no keys."""
        skipped = {"model", "dataloaders", "datamodule", "weights_only", "verbose"}
        fit = {"train_dataloaders", "val_dataloaders", "ckpt_path"}
        return {"fit": (skipped | fit) - {"dataloaders", "verbose"}, "validate": skipped}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Settings of callbacks, and one seed for weights and points."""
        parser.add_lightning_class_args(Checkpoints, "checkpoints")
        parser.add_lightning_class_args(Figures, "pictures")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=seed)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; processes that Lightning starts repeat `sys.argv`, which it must not warn of."""
        self.config = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Do not merge a checkpoint's hyperparameters over the configuration in silence."""

    def before_instantiate_classes(self) -> None:
        """Refuse what cannot run."""
        check_trainer(vars(self._get(self.config, "trainer")))
        for phase in self._get(self.config, "model").phases or ():
            check_optimizer(phase.optimizer, self.request.allow_import)

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """A trainer with everything that keeps a run safe, and yet without a folder."""
        given = {**vars(self._get(self.config_init, "trainer")), **kwargs}
        parser, config = self._parser(self.subcommand), self._get(self.config, "trainer")
        own = [self._get(self.config_init, key) for key in ("pictures", "checkpoints")]
        if self.subcommand == "validate":
            given["logger"] = False
        elif not config.fast_dev_run:
            kept = self.config[self.subcommand]
            own.append(KeepConfig(parser, kept, flags=self.request.flags))
        trainer = make_trainer(given, own, self.model.schedule)
        trainer.labels = self.request.member.settings if self.request.member else {}
        return trainer

    @property
    def base(self) -> Path:
        """Below which runs are kept."""
        return Path(self._get(self.config, "trainer").default_root_dir or "runs")

    def prepare(self) -> None:
        """Settle and check all that can be before there is a folder."""
        solver: Solver = self.model
        make_ready(self.trainer, solver, self.datamodule)
        for number, phase in enumerate(solver.schedule.phases, 1):
            rehearse(number, phase)
            phase.build([nn.Parameter(p.to(phase.torch_dtype)) for p in solver.parameters()])
        if self.request.init_from is not None:
            start_from(solver.solution, self.request.init_from)

    def fit(self, **kwargs: Any) -> None:
        """Train: from scratch, from saved weights, or from where a run stopped."""
        solver: Solver = self.model
        trainer: RunTrainer = self.trainer  # type: ignore[assignment]
        request = self.request
        self.prepare()
        if not self.train:
            return
        if self.checkpoint and not continues(solver, trainer, self.checkpoint, request.notices):
            return
        if request.check:
            FewSteps.attach(trainer)
        elif not self._get(self.config, "trainer").fast_dev_run:
            again = bool(request.resume)
            trainer.take_folder(self.base, request.name, self.checkpoint, request.label, again)
        try:
            trainer.fit(solver, datamodule=self.datamodule, ckpt_path=self.checkpoint)
            if trainer.should_stop and early_end(trainer, solver) == OVER:
                say("continue with --resume auto, and the same max_time again")
        except InterruptedRunError as stop:
            kept = newest_first(Checkpoints.folder(trainer))[:1]
            stop.advice = request.advice(kept[0]) if kept else ""
            raise
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

    def validate(self, **kwargs: Any) -> None:
        """Judge the solution in a checkpoint."""
        path = kwargs["ckpt_path"]
        self.model.attach(self.datamodule)
        start_from(self.model.solution, path)
        self.trainer.validate(self.model, datamodule=self.datamodule, ckpt_path=path, verbose=False)


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
