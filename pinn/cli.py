"""The command line: LightningCLI with one-line errors, run folders and exact resumption."""

import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import Any, NoReturn

import lightning as L
from jsonargparse import set_parsing_settings
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException

import pinn.networks
import pinn.problems  # noqa: F401 - classes must exist to be named without their module
from pinn.api import TRAINER, fixed_callbacks
from pinn.callbacks import Keeper, NonFiniteError, Panels
from pinn.checkpoint import AtomicCheckpointIO, read, restore_weights
from pinn.console import say
from pinn.data import Collocation
from pinn.launch import Request, UsageError, one_line, wants_traceback
from pinn.resume import compare
from pinn.runs import new_run, newest_checkpoint, run_of
from pinn.solver import Solver

# Rank 0 names the folder; the processes it starts inherit it.
RUN_FOLDER = "PINN_RUN_FOLDER"


class Parser(LightningArgumentParser):
    """A parser whose mistakes are one line, not a page of usage."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong."""
        raise UsageError(one_line(message))


class KeepConfig(SaveConfigCallback):
    """Save the resolved configuration with the run, beside those of earlier parts of it."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Write `config.yaml`, or `config.resume-N.yaml` in the folder of a continued run."""
        if not trainer.is_global_zero or trainer.log_dir is None or trainer.fast_dev_run:
            return
        folder = Path(trainer.log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        names = ["config.yaml", *(f"config.resume-{n}.yaml" for n in range(1, 10_000))]
        target = next(folder / name for name in names if not (folder / name).exists())
        text = self.parser.dump(self.config, skip_none=False)
        target.write_text(text)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                fenced = "    " + text.replace("\n", "\n    ")
                logger.experiment.add_text(target.stem, fenced, trainer.global_step)


class CommandLine(LightningCLI):
    """`fit` as a configuration describes it.

    Args:
        request: what was asked for.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.checkpoint = resumed_from(request)
        super().__init__(
            Solver,
            Collocation,
            save_config_callback=KeepConfig,
            trainer_defaults={**TRAINER, "callbacks": fixed_callbacks()},
            seed_everything_default=0,
            parser_class=Parser,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,
            args=request.arguments,
        )

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """What can be asked for."""
        skipped = {"model", "train_dataloaders", "val_dataloaders", "dataloaders", "datamodule"}
        return {"fit": skipped, "validate": skipped}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Settings of callbacks, and one seed for weights and points."""
        parser.add_lightning_class_args(Keeper, "checkpoints")
        parser.add_lightning_class_args(Panels, "pictures")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

    def _parse_ckpt_path(self) -> None:
        """Do not merge a checkpoint's hyperparameters over the configuration in silence."""

    def before_instantiate_classes(self) -> None:
        """Refuse what has a better way."""
        if self.subcommand == "fit" and self.config.fit.ckpt_path is not None:
            raise UsageError("fit --ckpt_path: use --resume PATH to continue, or --init_from PATH")

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """A trainer with this run's folder, logger and checkpoint writer."""
        given = self._get(self.config_init, "trainer")
        if given.logger in (None, True) and self.subcommand == "fit":
            kwargs["logger"] = self.logger(given.default_root_dir or "runs")
        kwargs["plugins"] = [*(given.plugins or []), AtomicCheckpointIO()]
        return super().instantiate_trainer(**kwargs)

    def logger(self, base: str | Path) -> TensorBoardLogger:
        """TensorBoard's logger in a new run's folder, or in that of the run to continue."""
        if self.checkpoint is not None:
            run = run_of(self.checkpoint)
            step = read(self.checkpoint)["global_step"]
            purge = {"purge_step": step + 1}
        else:
            run, purge = Path(os.environ.get(RUN_FOLDER) or new_run(base, self.request.name)), {}
            os.environ[RUN_FOLDER] = str(run)
        return TensorBoardLogger(
            run.parent, name="", version=run.name, default_hp_metric=False, **purge
        )

    def fit(self, **kwargs: Any) -> None:
        """Train: from scratch, from saved weights, or from where a run stopped."""
        solver: Solver = self.model
        if self.request.init_from is not None:
            state = read(self.request.init_from)["state_dict"]
            restore_weights(solver.solution, state, self.request.init_from)
        if self.checkpoint is None:
            self.trainer.fit(solver, datamodule=self.datamodule)
            return
        saved = read(self.checkpoint)
        solver.attach(self.datamodule)
        for line in compare(solver, saved["pinn"]):
            say(line)
        limit = self.trainer.max_steps if self.trainer.max_steps >= 0 else solver.total_steps
        if saved["global_step"] >= limit:
            say(f"{self.checkpoint} is finished: {saved['global_step']} of {limit} steps are done")
            return
        say(f"resuming {self.checkpoint} at step {saved['global_step']}")
        self.trainer.fit(solver, datamodule=self.datamodule, ckpt_path=self.checkpoint)


def resumed_from(request: Request) -> Path | None:
    """The checkpoint to continue from."""
    if request.resume is None:
        return None
    if request.resume == "auto":
        return newest_checkpoint("runs", request.name)
    read(request.resume)
    return Path(request.resume)


def run(request: Request) -> int:
    """Run a request; mistakes come back as one line."""
    quiet()
    try:
        CommandLine(request)
    except SIGTERMException:
        return 128 + signal.SIGTERM
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except UsageError:
        raise
    except NonFiniteError as error:
        print(f"train.py: {one_line(error)}", file=sys.stderr)
        return 1
    except Exception as error:
        if wants_traceback():
            raise
        raise UsageError(one_line(error) or type(error).__name__) from error
    return 0


def quiet() -> None:
    """No advice from third parties between the program's own lines."""
    set_parsing_settings(config_read_mode_fsspec_enabled=False)
    warnings.filterwarnings("ignore", module="lightning")
    for name in ("lightning.pytorch", "lightning.fabric", "lightning.pytorch.utilities.rank_zero"):
        logging.getLogger(name).setLevel(logging.ERROR)
