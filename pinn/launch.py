"""Before torch is loaded: which subcommand, which configuration, which run to continue.

A mistake made here is answered in a fraction of a second; importing torch takes several.
"""

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

SUBCOMMANDS = ("fit", "validate")
CONFIGS = Path("configs")


class UsageError(Exception):
    """A command line or configuration that cannot be run; the text is one line."""


@dataclass
class Request:
    """A command line, its own options taken out.

    Args:
        arguments: what is left for the parser of the configuration, subcommand first.
        name: the configuration's name; the folder of its runs.
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
    try:
        request = parse(argv)
        from pinn.cli import run  # loads torch

        return run(request)
    except UsageError as error:
        print(f"train.py: {one_line(error)}", file=sys.stderr)
        return 2


def one_line(error: object) -> str:
    """A message on one line."""
    return " ".join(str(error).split())


def parse(argv: Sequence[str]) -> Request:
    """Take a command line apart.

    Raises:
        UsageError: nothing to do, or a configuration that does not exist.
    """
    if not argv:
        raise UsageError(f"give a configuration: python train.py --config NAME, {known_configs()}")
    given = list(argv)
    subcommand = given.pop(0) if given[0] in SUBCOMMANDS else "fit"
    if given and not given[0].startswith("-"):
        raise UsageError(
            f"{given[0]!r} is no subcommand{closest(given[0], SUBCOMMANDS)}: use fit (implied) or "
            "validate, and --config NAME"
        )
    own, rest = own_options(given)
    rest, name = with_configs(rest, subcommand)
    if own.resume and own.init_from:
        raise UsageError("--resume continues a run, --init_from starts a new one: give one of them")
    return Request([subcommand, *rest], name, own.resume, own.init_from, own.allow_import)


def own_options(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options that are not part of a configuration, and all the others."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--resume")
    parser.add_argument("--init_from")
    parser.add_argument("--allow_import", action="append", default=[])
    try:
        return parser.parse_known_args(argv)
    except argparse.ArgumentError as error:
        raise UsageError(f"{error.argument_name} needs a value") from error


def with_configs(argv: list[str], subcommand: str) -> tuple[list[str], str]:
    """The arguments with each `--config NAME` replaced by a path, and the last name."""
    result, name = list(argv), ""
    for i, argument in enumerate(result):
        if argument == "--config" and i + 1 < len(result):
            path = find_config(result[i + 1])
            result[i + 1] = str(path)
        elif argument == "--config":
            raise UsageError(f"--config needs a name, {known_configs()}")
        elif argument.startswith("--config="):
            path = find_config(argument.removeprefix("--config="))
            result[i] = f"--config={path}"
        else:
            continue
        name = path.stem
    asks = any(a in ("-h", "--help") or a.startswith("--help=") for a in result)
    checkpoint = any(a == "--ckpt_path" or a.startswith("--ckpt_path=") for a in result)
    if not name and not asks and not (subcommand == "validate" and checkpoint):
        raise UsageError(f"no configuration: add --config NAME, {known_configs()}")
    return result, name


def find_config(name: str) -> Path:
    """A configuration by path, or by name in `configs/`, with or without `.yaml`.

    Raises:
        UsageError: there is none; the line lists those that exist.
    """
    for candidate in (
        Path(name),
        CONFIGS / name,
        CONFIGS / f"{name}.yaml",
        home() / name,
        home() / f"{name}.yaml",
    ):
        if candidate.is_file():
            return candidate
    if Path(name).is_dir():
        raise UsageError(f"configuration {name!r} is a folder, {known_configs()}")
    hint = closest(Path(name).stem, config_names())
    raise UsageError(f"configuration {name!r} does not exist{hint}, {known_configs()}")


def home() -> Path:
    """The `configs/` beside `train.py`, for a call from another folder."""
    return Path(sys.argv[0]).resolve().parent / CONFIGS


def config_names() -> list[str]:
    """The names of the configurations that come with the project."""
    folder = CONFIGS if CONFIGS.is_dir() else home()
    return sorted(path.stem for path in folder.glob("*.yaml"))


def known_configs() -> str:
    """What exists, as the end of a line."""
    return f"there are: {', '.join(config_names()) or 'none'}"


def closest(name: str, known: Sequence[str]) -> str:
    """A near miss, as a parenthesis."""
    found = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def wants_traceback() -> bool:
    """Developers see where an error came from with PINN_TRACEBACK=1."""
    return os.environ.get("PINN_TRACEBACK") == "1"
