"""A request carried out, and the exit code it ends with."""

import os
from pathlib import Path
from typing import Any

import yaml

from pinn.base import paths
from pinn.base.console import quiet
from pinn.base.first_process import is_first
from pinn.base.signals import program
from pinn.callbacks import NonFiniteError
from pinn.callbacks.interrupt import InterruptedRunError
from pinn.checkpoints.file import read, trusting
from pinn.checkpoints.revival import check_importable
from pinn.cli.allowed_classes import trust
from pinn.cli.configured_run import CommandLine, RunError
from pinn.cli.mistakes import explain
from pinn.cli.request import Request, complain
from pinn.cli.resumption import continued
from pinn.cli.sweep import sweep
from pinn.cli.yaml_nodes import UsageError
from pinn.geometry.measurements import supplied
from pinn.runs.ownership import ownership
from pinn.runs.ranks import LostRankError


def described_by(request: Request) -> Request:
    """A validation without a configuration takes it from the checkpoint."""
    path = dict(flag.split("=", 1) for flag in request.flags).get("--ckpt_path")
    if request.name or path is None:
        return request
    saved = read(path)["pinn"]
    check_importable(path, saved)
    if saved["network"] is None:
        raise UsageError(f"{path} does not hold the arguments of its network: add --config NAME")
    data = dict(saved["data"])
    config = {
        "seed_everything": data.pop("seed"),
        "model": {key: saved[key] for key in ("problem", "network", "phases", "weights")},
        "data": data,
    }
    request.rest = [f"--config={yaml.safe_dump(config)}", *request.rest]
    return request


def held_by(request: Request) -> dict[str, Any]:
    """What the checkpoint holds that a request names, for data whose files are not here."""
    flags = dict(flag.split("=", 1) for flag in request.flags)
    path = request.checkpoint or flags.get("--ckpt_path")
    paths.FOLDERS[:] = [Path(file).parent for file in request.files]
    return {} if path is None else read(path)["pinn"]


def run(request: Request) -> int:
    """Run a request; whatever goes wrong comes back as one line."""
    quiet()
    try:
        trust(request.allow_import)
        with trusting(request.trust_old), ownership():
            if request.sweep:
                return sweep(request, checked)
            named = bool(request.name)
            request = continued(described_by(request))
            with supplied(held_by(request), first=not named and not request.resume):
                line = CommandLine(request)
            line.validate() if request.subcommand == "validate" else line.fit()
    except SystemExit as end:  # after --help and --print_config
        return int(end.code or 0)
    except InterruptedRunError as stop:
        if program.listens:
            program.finish()  # one line, however many signals follow
        complain(f"{stop}: {stop.advice}" if stop.advice else stop)
        # The first process ends with its own code; it would be killed if another one had failed.
        return 128 + stop.signum if is_first() else 0
    except (NonFiniteError, LostRankError) as error:
        complain(error)
        return int(is_first())
    except Exception as error:
        if os.environ.get("PINN_TRACEBACK") == "1":
            raise
        if isinstance(error, RunError):
            complain(f"{error}; PINN_TRACEBACK=1 shows where" if error.__cause__ else error)
            return 1
        if isinstance(error, LookupError | ArithmeticError | AttributeError | NameError):
            # Such an error comes from a problem's own code, and its text alone says little.
            places = dict.fromkeys(getattr(error, "__notes__", ()))
            text = ": ".join([*places, type(error).__name__, str(error)])
            complain(f"{text}; PINN_TRACEBACK=1 shows where", anywhere=True)
            return 2
        raise error if isinstance(error, UsageError) else UsageError(explain(error)) from error
    return 0


def checked(request: Request) -> Path:
    """Build a run that is to begin later, and say below which folder it will be kept."""
    line = CommandLine(request)
    line.prepare()
    return line.base
