"""Before torch is loaded: which subcommand, which configuration, which run to continue.

A mistake made here is answered in a fraction of a second; importing torch takes several.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from pinn import __version__
from pinn.cli.configuration import (
    SECTIONS,
    closest,
    find_config,
    gives_phases,
    known_configs,
    run_name,
)
from pinn.cli.mapping import UsageError

SUBCOMMANDS = ("fit", "validate")
KEYS = ("seed_everything", *SECTIONS)
# Options of the parser that are no keys of a configuration, with a value or without.
OTHERS = ("help", "print_config", "config", "ckpt_path")
# Put before new phases: as many new ones as old would otherwise inherit what they do not state.
RESET = "--model.phases=[]"

HELP = """\
Solve a PDE:       python train.py --config NAME [--KEY VALUE ...]
Judge a solution:  python train.py validate --ckpt_path FILE

  --config NAME          a file, or a name in configs/; several are merged, the last one wins
  --KEY VALUE            any key of the configuration, such as --model.problem.reynolds 400,
                         --model.network.width 64, --trainer.max_steps 1000
  --resume auto|FILE     continue the newest run of this configuration, or a checkpoint
  --init_from FILE       start a new run from the weights of a checkpoint
  --allow_import NAME    a configuration may also name classes of this package or module, which
                         may lie in the current folder; may be repeated
  --print_config         print the configuration with everything filled in; do not run it

All keys: python train.py fit --help. Those of a class: --model.problem.help LidDrivenCavity
"""


@dataclass
class Request:
    """A command line, its own options taken out.

    Args:
        arguments: what is left for the parser of the configuration, subcommand first.
        name: the configuration's name, which its runs are filed under; empty if there is none.
        resume: `auto`, a checkpoint, or None.
        init_from: a checkpoint to take weights from, or None.
        allow_import: packages whose classes a configuration may name.
    """

    arguments: list[str]
    name: str
    resume: str | None = None
    init_from: str | None = None
    allow_import: list[str] = field(default_factory=list)


def main(argv: Sequence[str]) -> int:
    """Run a command line.

    Returns:
        0; 1 if the run failed; 2 for a mistake in the command line or configuration; 130 and 143
        if SIGINT or SIGTERM stopped it.
    """
    if any(a in ("-h", "--help") for a in argv):
        print(HELP)
        if argv[0] not in SUBCOMMANDS:
            return 0
    try:
        request = parse(argv)
        greet(request)
        from pinn.cli.program import run

        return run(request)
    except UsageError as error:
        complain(error)
        return 2
    except KeyboardInterrupt:
        complain("stopped before the first step")
        return 130


def greet(request: Request) -> None:
    """Load what takes seconds, and say so; silent where only text is asked for."""
    asks = ("-h", "--help", "--print_config")
    text = any(a in asks or a.startswith("--help") or ".help" in a for a in request.arguments)
    if text or os.environ.get("LOCAL_RANK", "0") != "0":
        return
    name = f" · {request.name}" if request.name else ""
    tell(f"pinn {__version__}{name} · loading torch …")
    import torch  # noqa: F401

    tell("loading Lightning …")
    import lightning  # noqa: F401

    tell("building the problem …")


def tell(line: str) -> None:
    """Print a line at once; what the terminal cannot show becomes a question mark."""
    encoding = sys.stdout.encoding or "utf-8"
    print(line.encode(encoding, "replace").decode(encoding), flush=True)


def complain(error: object) -> None:
    """Say on one line what went wrong, from the first process only."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"train.py: {one_line(error)}", file=sys.stderr)


def one_line(error: object) -> str:
    """A message on one line."""
    return " ".join(str(error).split())


def parse(argv: Sequence[str]) -> Request:
    """Take a command line apart.

    Raises:
        UsageError: nothing to do, or a configuration that does not exist or is no configuration.
    """
    if not argv:
        raise UsageError(f"give a configuration: python train.py --config NAME, {known_configs()}")
    given = list(argv)
    subcommand = given.pop(0) if given[0] in SUBCOMMANDS else "fit"
    if given and not given[0].startswith("-") and given[0] not in SUBCOMMANDS:
        raise UsageError(
            f"{given[0]!r} is no subcommand{closest(given[0], SUBCOMMANDS)}: use fit (implied) or "
            "validate, and --config NAME"
        )
    own, rest = own_options(given)
    own.allow_import = [name.removesuffix(".py") for name in own.allow_import]
    rest, name = with_configs(rest)
    check_words(rest)
    check_options(subcommand, rest, own, name)
    return Request([subcommand, *rest], name, own.resume, own.init_from, own.allow_import)


def own_options(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options that are not part of a configuration, and all the others."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--resume", action="append", default=[])
    parser.add_argument("--init_from", action="append", default=[])
    parser.add_argument("--allow_import", action="append", default=[])
    try:
        own, rest = parser.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise UsageError(f"{error.argument_name} needs a value") from error
    for name in ("resume", "init_from"):
        values = getattr(own, name)
        if len(values) > 1:
            raise UsageError(f"--{name} is given {len(values)} times: remove all but one")
        setattr(own, name, values[0] if values else None)
    return own, rest


def with_configs(argv: list[str]) -> tuple[list[str], str]:
    """The arguments with each `--config NAME` replaced by a path, and the last one's name.

    Configurations come first, wherever they stand: what is given beside them overrides them.
    """
    configs: list[str] = []
    result, name = [], ""
    rest = iter(argv)
    for argument in rest:
        option, equals, value = argument.partition("=")
        if option not in ("-c", "--config"):
            result += [RESET, argument] if option == "--model.phases" else [argument]
            continue
        value = value if equals else next(rest, "")
        if not value or value.startswith("--"):
            raise UsageError(f"--config needs a name, {known_configs()}")
        path = find_config(value)
        name = run_name(path)
        configs += [RESET] if gives_phases(path) else []
        configs.append(f"--config={path}")
    return configs + result, name


def check_words(argv: Sequence[str]) -> None:
    """Hold each word against its place: an option, or the value of the one before it."""
    waiting = optional = ""
    for word in [*argv, "--help"]:
        option = word.startswith("--") or word == "-h"
        if option and waiting:
            raise UsageError(f"{waiting} needs a value")
        if not option and not waiting and not optional:
            raise UsageError(stray(word))
        waiting = optional = ""
        if not option or "=" in word or word in ("-h", "--help", "--print_config"):
            continue
        key = word.removeprefix("--").partition(".")[0]
        if key not in (*KEYS, *OTHERS):
            raise UsageError(unknown(key))
        if word.endswith(".help"):
            optional = word
        else:
            waiting = word


def unknown(key: str) -> str:
    """A line about a key of no section."""
    return f"unknown key {key!r}{closest(key, (*KEYS, *OTHERS))}: known: {', '.join(KEYS)}"


def stray(word: str) -> str:
    """A line about a word that is neither an option nor the value of one."""
    if not word:
        return "one of the arguments is empty: remove it"
    if word in SUBCOMMANDS:
        return f"{word!r} is a subcommand: give one of fit and validate, as the first word"
    name = word.lstrip("-—–")
    key = name.partition(".")[0].partition("=")[0]
    hint = f" (did you mean '--{name}'?)" if key in (*KEYS, *OTHERS) else ""
    return f"unexpected {word!r}{hint}: keys are given as --KEY VALUE"


def check_options(subcommand: str, argv: list[str], own: argparse.Namespace, name: str) -> None:
    """Hold the options against each other."""
    options = [a.partition("=")[0] for a in argv if a.startswith("--") and a != RESET]
    for option, count in Counter(options).items():
        if count > 1 and option != "--config" and not option.endswith("+"):
            raise UsageError(f"{option} is given {count} times: remove all but one")
    checkpoint = "--ckpt_path" in options
    if subcommand == "fit" and checkpoint:
        raise UsageError(
            "--ckpt_path belongs to validate: use --resume FILE to continue a run, or "
            "--init_from FILE to start one from its weights"
        )
    if subcommand == "validate" and (own.resume or own.init_from):
        raise UsageError("--resume and --init_from belong to fit: use --ckpt_path FILE")
    if own.resume and own.init_from:
        raise UsageError("--resume continues a run, --init_from starts a new one: give one of them")
    asks = any(a == "-h" or a.startswith("--help") or ".help" in a for a in argv)
    if subcommand == "validate" and not checkpoint and not asks and "--print_config" not in options:
        raise UsageError("validate needs a solution: add --ckpt_path FILE")
    if not name and not asks and not checkpoint:
        raise UsageError(f"no configuration: add --config NAME, {known_configs()}")


def wants_traceback() -> bool:
    """Developers see where an error came from with PINN_TRACEBACK=1."""
    return os.environ.get("PINN_TRACEBACK") == "1"
