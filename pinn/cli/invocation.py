"""How this program was called: the words that start it again, its launcher included."""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pinn.base.console import command_of
from pinn.runs.launchers import Launch, launch


def invocation() -> list[str]:
    """The words that start this program again as it was started, without its own arguments."""
    started, own = launch(), program_words()
    alone = own if is_script(own) else [*command_of("python"), *own]
    if started is None:
        return alone
    if started.name == "SLURM":
        return ["srun", *alone]
    return short(seen(parent_words(), sys.argv[1:])) or retold(started, own)


def program_words() -> list[str]:
    """What follows `python` to start this program again: `train.py`, `-m pinn`, or a script."""
    return ["-m", "pinn"] if Path(sys.argv[0]).name == "__main__.py" else [sys.argv[0]]


def is_script(own: Sequence[str]) -> bool:
    """Whether the program is that of an installation, which needs no `python`."""
    return Path(own[0]).name == "pinn"


def parent_words() -> list[str]:
    """The command line of the process that has started this one; empty where none can be read."""
    try:
        text = Path(f"/proc/{os.getppid()}/cmdline").read_bytes()
    except OSError:  # a system without it
        return []
    return text.decode(errors="replace").split("\0")[:-1]


def seen(words: Sequence[str], arguments: Sequence[str]) -> list[str]:
    """What stands before the arguments of this program in a command line of torchrun."""
    count = len(words) - len(arguments)
    return [*words[:count]] if arguments and [*words[count:]] == [*arguments] else []


def short(words: Sequence[str]) -> list[str]:
    """A command line of Python with the program that it starts named as one would type it."""
    if len(words) > 1 and Path(words[1]).name == "torchrun":
        return [*command_of("torchrun"), *words[2:]]
    return [*command_of("python"), *words[1:]] if words else []


def retold(started: Launch, own: Sequence[str]) -> list[str]:
    """A command of torchrun that starts as many processes, from what it has told this one."""
    told = os.environ
    words = ["torchrun", "--standalone"]
    if started.nodes > 1:
        place = ["--master-addr", told["MASTER_ADDR"], "--master-port", told["MASTER_PORT"]]
        words = ["torchrun", "--nnodes", str(started.nodes), "--node-rank", told["GROUP_RANK"]]
        words += place
    words += ["--nproc-per-node", str(started.devices)]
    return [*words, *(["--no-python"] if is_script(own) else []), *own]
