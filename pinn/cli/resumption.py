"""Continuing a run with its own settings: those that it was started with, and what is new."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pinn.base.console import say
from pinn.checkpoints.file import read
from pinn.cli.configuration import check_file, filed_under, gathered
from pinn.cli.request import Request
from pinn.cli.yaml_nodes import UsageError
from pinn.runs.continuation import to_continue
from pinn.runs.folders import run_of

MOST = "--trainer.max_steps"


def continued(request: Request) -> Request:
    """A request to continue a run, with the checkpoint and the settings of the run.

    With a configuration: what was given beside it when the run was started, which what is given
    now overrides. Without one: the configuration that was saved with the run.

    Raises:
        CheckpointError: the checkpoint is not there, is no good, or is no longer in its run.
        UsageError: there are no settings, or no phase that can have more steps.
    """
    if request.resume is None:
        return request
    request.checkpoint = to_continue(request.resume, root(request), request.name, request.label)
    if request.checkpoint is None:
        return begun(request)
    contents = read(request.checkpoint)
    saved, step = contents["pinn"], contents["global_step"]
    now = {option(flag) for flag in request.flags}
    own = [flag for flag in contents.get("flags", []) if option(flag) not in now]
    if not request.name:
        request.name = filed_under(run_of(request.checkpoint))
        request.files = [saved_configuration(request.checkpoint)]
        limit = stated(request, "max_steps")
        own = [] if limit is None or MOST in now else [f"{MOST}={limit}"]
    elif own:
        names = dict.fromkeys(option(flag) for flag in own)
        request.notices.append(f"continuing with the run's own {', '.join(names)}")
    if is_over(own, step):
        own = [*(flag for flag in own if option(flag) != MOST), f"{MOST}=-1"]
        request.notices.append(
            f"the saved run has taken its trainer.max_steps, {step}: it goes on with its phases"
        )
    if request.more_steps:
        phases = longer(saved["phases"], request.more_steps)
        own = [f for f in own if option(f) != "--model.phases"]
        own.append(f"--model.phases={json.dumps(phases)}")
    request.rest = [*own, *request.rest]
    return request


def option(flag: str) -> str:
    """The option of `--KEY=VALUE`."""
    return flag.partition("=")[0]


def begun(request: Request) -> Request:
    """The first of several jobs, which all say `--resume auto`, begins the run.

    Raises:
        UsageError: there should be a run, since it is to have more steps.
    """
    where = Path(root(request), request.name, request.label)
    none = f"no checkpoint of {request.name!r} below {where}"
    if request.more_steps:
        raise UsageError(f"--more_steps: {none}: remove it, or give --resume FILE")
    say(f"--resume auto: {none}: a new run begins")
    return request


def root(request: Request) -> str:
    """Where the runs of a configuration are kept."""
    return str(stated(request, "default_root_dir") or "runs")


def stated(request: Request, key: str) -> Any:
    """What a request says of a key of the trainer."""
    return (gathered(request.files, request.flags).get("trainer") or {}).get(key)


def is_over(flags: Sequence[str], step: int) -> bool:
    """Whether a limit of steps among these has been reached, and would end the run at once."""
    limits = [flag.partition("=")[2] for flag in flags if option(flag) == MOST]
    return bool(limits) and limits[-1].isdecimal() and int(limits[-1]) <= step


def saved_configuration(checkpoint: Path) -> str:
    """The configuration that was saved last with the run of a checkpoint.

    Raises:
        UsageError: there is none.
    """
    folder = run_of(checkpoint)
    numbered = folder.glob("config.resume-[0-9]*.yaml")
    later = sorted(numbered, key=lambda file: (len(file.name), file.name))  # by their numbers
    files = [file for file in (folder / "config.yaml", *later) if file.is_file()]
    if not files:
        raise UsageError(
            f"{folder} has no config.yaml: add --config NAME; a run of pinn.fit goes on by "
            f"pinn.fit(…, resume={str(checkpoint)!r})"
        )
    check_file(files[-1])
    return str(files[-1])


def longer(phases: Sequence[dict[str, Any]], more: int) -> list[dict[str, Any]]:
    """The phases of a run, the last one with more steps.

    Raises:
        UsageError: it counts no steps.
    """
    last = dict(phases[-1])
    if last["steps"] is None:
        raise UsageError(
            f"--more_steps: phase {len(phases)} ({last['optimizer']}) has seconds and no steps: "
            "give --model.phases with more seconds"
        )
    last["steps"] += more
    return [*phases[:-1], last]
