"""The command line: LightningCLI with one-line errors, run folders and exact resumption."""

import os
from pathlib import Path
from typing import Any, NoReturn

import lightning as L
import yaml
from jsonargparse import Namespace
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI, SaveConfigCallback
from lightning.pytorch.loggers import TensorBoardLogger

import pinn.networks
import pinn.problems  # noqa: F401 - classes must exist to be named without their module
from pinn.api import TRAINER, fixed_callbacks
from pinn.callbacks import Keeper, NonFiniteError, Panels
from pinn.callbacks.interrupt import Interrupt, InterruptedRunError
from pinn.checkpoint import AtomicCheckpointIO, read, restore_weights
from pinn.configuration import UsageError
from pinn.console import say
from pinn.data import Collocation
from pinn.demands import check_trainer
from pinn.launch import Request, complain, wants_traceback
from pinn.mistakes import explain
from pinn.quiet import quiet
from pinn.resume import compare
from pinn.runs import new_run, newest_checkpoint, run_of
from pinn.solver import Solver, refuse_for_line_search
from pinn.trust import trust

# Rank 0 names the folder; the processes it starts inherit it.
RUN_FOLDER = "PINN_RUN_FOLDER"


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


class KeepConfig(SaveConfigCallback):
    """Save the resolved configuration with the run, beside those of earlier parts of it."""

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Write `config.yaml`, or `config.resume-N.yaml` in the folder of a continued run."""
        log_dir = trainer.log_dir  # a broadcast: every process has to ask
        if not trainer.is_global_zero or not trainer.loggers or log_dir is None:
            return
        folder = Path(log_dir)
        folder.mkdir(parents=True, exist_ok=True)
        names = ["config.yaml", *(f"config.resume-{n}.yaml" for n in range(1, 10_000))]
        target = next(folder / name for name in names if not (folder / name).exists())
        text = self.parser.dump(portable(self.config), skip_unset=False)
        target.write_text(text)
        for logger in trainer.loggers:
            if isinstance(logger, TensorBoardLogger):
                fenced = "    " + text.replace("\n", "\n    ")
                logger.experiment.add_text(target.stem, fenced, trainer.global_step)


class CommandLine(LightningCLI):
    """`fit` or `validate` as a configuration describes it.

    Args:
        request: what was asked for.
    """

    def __init__(self, request: Request) -> None:
        self.request = request
        self.checkpoint: Path | None = None
        super().__init__(
            Solver,
            Collocation,
            save_config_callback=KeepConfig,
            trainer_defaults=trainer_defaults(),
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
        parser.add_lightning_class_args(Keeper, "checkpoints")
        parser.add_lightning_class_args(Panels, "pictures")
        parser.link_arguments("seed_everything", "data.seed", compute_fn=int)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        """Parse; processes that Lightning starts repeat `sys.argv`, which it must not warn of."""
        self.config = parser.parse_args(args)

    def _parse_ckpt_path(self) -> None:
        """Do not merge a checkpoint's hyperparameters over the configuration in silence."""

    def before_instantiate_classes(self) -> None:
        """Refuse what cannot run, and find the checkpoint to continue from."""
        settings = self._get(self.config, "trainer")
        check_trainer(settings)
        self.checkpoint = resumed_from(self.request, settings.default_root_dir or "runs")

    def instantiate_trainer(self, **kwargs: Any) -> L.Trainer:
        """A trainer with this package's checkpoint writer, and yet without a logger."""
        given = self._get(self.config_init, "trainer")
        self.own_logger = given.logger in (None, True) and self.subcommand == "fit"
        if self.own_logger or self.subcommand == "validate":
            kwargs["logger"] = False
        if given.enable_progress_bar is None:
            kwargs["enable_progress_bar"] = TRAINER["enable_progress_bar"]
        kwargs["plugins"] = [*as_list(given.plugins), AtomicCheckpointIO()]
        return super().instantiate_trainer(**kwargs)

    def logger(self) -> TensorBoardLogger:
        """TensorBoard's logger in a new run's folder, or in that of the run to continue."""
        purge = {}
        if self.checkpoint is not None:
            run = run_of(self.checkpoint)
            purge = {"purge_step": read(self.checkpoint)["global_step"] + 1}
        elif self.trainer.local_rank or self.trainer.node_rank:
            run = Path(os.environ[RUN_FOLDER])
        else:
            base = self._get(self.config, "trainer").default_root_dir or "runs"
            run = new_run(base, self.request.name)
            os.environ[RUN_FOLDER] = str(run)
        return TensorBoardLogger(
            run.parent, name="", version=run.name, default_hp_metric=False, **purge
        )

    def fit(self, **kwargs: Any) -> None:
        """Train: from scratch, from saved weights, or from where a run stopped."""
        solver: Solver = self.model
        solver.attach(self.datamodule)
        refuse_for_line_search(solver.phases, self.trainer)
        for phase in solver.phases:
            phase.build(solver.parameters())
        if self.request.init_from is not None:
            state = read(self.request.init_from)["state_dict"]
            restore_weights(solver.solution, state, self.request.init_from)
        if self.checkpoint is not None and not self.continues(self.checkpoint):
            return
        if self.own_logger and not self._get(self.config, "trainer").fast_dev_run:
            self.trainer.logger = self.logger()
        try:
            self.trainer.fit(solver, datamodule=self.datamodule, ckpt_path=self.checkpoint)
        except (InterruptedRunError, NonFiniteError):
            raise
        except Exception as error:
            raise RunError(f"the run failed with {type(error).__name__}: {error}") from error

    def continues(self, checkpoint: Path) -> bool:
        """Hold a checkpoint against this run; whether there is anything left to do."""
        saved = read(checkpoint)
        for line in compare(self.model, saved["pinn"]):
            say(line)
        limit = self.trainer.max_steps if self.trainer.max_steps >= 0 else self.model.total_steps
        if saved["global_step"] >= limit:
            say(f"{checkpoint} is finished: {saved['global_step']} of {limit} steps are done")
            return False
        say(f"resuming {checkpoint} at step {saved['global_step']}")
        return True

    def validate(self, **kwargs: Any) -> None:
        """Judge the solution in a checkpoint."""
        path = kwargs["ckpt_path"]
        self.model.attach(self.datamodule)
        restore_weights(self.model.solution, read(path)["state_dict"], path)
        self.trainer.validate(self.model, datamodule=self.datamodule, ckpt_path=path, verbose=False)


def trainer_defaults() -> dict[str, Any]:
    """`TRAINER` without what depends on where the output goes: a saved configuration may move."""
    fixed = {key: value for key, value in TRAINER.items() if key != "enable_progress_bar"}
    return {**fixed, "callbacks": [*fixed_callbacks(), Interrupt()]}


def as_list(value: Any) -> list[Any]:
    """A value that may be one, several or none."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def portable(config: Namespace) -> Namespace:
    """A configuration without absolute paths, to be run again from the same folder."""
    config = config.clone()
    root = config.trainer.default_root_dir
    if root is not None and Path(root).is_absolute():
        config.trainer.default_root_dir = os.path.relpath(root)
    return config


def resumed_from(request: Request, base: str | Path) -> Path | None:
    """The checkpoint to continue from."""
    if request.resume is None:
        return None
    if request.resume == "auto":
        return newest_checkpoint(base, request.name)
    read(request.resume)
    return Path(request.resume)


def described_by(request: Request) -> Request:
    """A validation without a configuration takes it from the checkpoint."""
    arguments = request.arguments
    path = next((v for o, v in options(arguments) if o == "--ckpt_path"), None)
    if request.name or path is None:
        return request
    saved = read(path)["pinn"]
    if saved["network"] is None:
        raise UsageError(f"{path} does not hold its network's recipe: add --config NAME")
    data = dict(saved["data"])
    config = {
        "seed_everything": data.pop("seed"),
        "model": {key: saved[key] for key in ("problem", "network", "phases", "weights")},
        "data": data,
    }
    request.arguments = [arguments[0], "--config", yaml.safe_dump(config), *arguments[1:]]
    return request


def options(arguments: list[str]) -> list[tuple[str, str]]:
    """Options and their values, however they are joined."""
    pairs = []
    for argument, following in zip(arguments, [*arguments[1:], ""], strict=True):
        option, equals, value = argument.partition("=")
        pairs.append((option, value if equals else following))
    return pairs


def run(request: Request) -> int:
    """Run a request; whatever goes wrong comes back as one line."""
    quiet()
    first = os.environ.get("LOCAL_RANK", "0") == "0"
    try:
        trust(request.allow_import)
        CommandLine(described_by(request))
    except SystemExit as end:  # after --help and --print_config
        return int(end.code or 0)
    except InterruptedRunError as stop:
        complain(f"{stop}: continue with --resume auto")
        # The first process ends with its own code; it would be killed if another one had failed.
        return 128 + stop.signum if first else 0
    except NonFiniteError as error:
        complain(error)
        return int(first)
    except Exception as error:
        if wants_traceback():
            raise
        if isinstance(error, RunError):
            complain(f"{error}; PINN_TRACEBACK=1 shows where")
            return 1
        raise error if isinstance(error, UsageError) else UsageError(explain(error)) from error
    return 0
