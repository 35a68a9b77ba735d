"""The options of this program that are not keys of a configuration."""

import argparse
import platform
import re
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from pinn import __version__
from pinn.cli.configuration import CONFIGS, closest, config_names, home
from pinn.cli.yaml_nodes import UsageError

ONCE = ("resume", "more_steps", "init_from", "name")
SWITCHES = ("check", "list", "version")
OWN = (*ONCE, "allow_import", "sweep", *SWITCHES)

HELP = """\
Solve a PDE:       python train.py --config NAME [--KEY VALUE ...]
Judge a solution:  python train.py validate --ckpt_path FILE
Write its values:  python train.py predict --ckpt_path FILE --grid 200 --output field.vtu

  --config NAME          a file, or a name in configs/; several are merged, the last one wins
  --KEY VALUE            any key of the configuration, such as --model.problem.reynolds 400,
                         --model.network.width 64, --trainer.max_steps 1000
  --resume auto|FILE     continue the newest run of this configuration, or a checkpoint, with the
                         settings that the run was started with
  --more_steps N         with --resume: train on, N more steps of the last phase
  --init_from FILE       start a new run from the weights of a checkpoint
  --name NAME            what the folder of the run is called, in place of the time; with --resume
                         auto: continue the run of that name, or begin it
  --sweep KEY=A,B,...    one run for each value; several --sweep for all combinations
  --check                take a few steps of each phase: memory, time; leaves no folder
  --allow_import NAME    a configuration may also name classes of this package or module, which
                         may lie in the current folder or beside the configuration; may be repeated
  --print_config         print the configuration with everything filled in; do not run it
  --list                 the configurations, a line each
  --version              of this program and what it runs on

All keys: python train.py fit --help. Those of a class: --model.problem.help LidDrivenCavity
Options of predict: python train.py predict --help
"""
PREDICT_HELP = """\
Write the values of a solution:  python train.py predict --ckpt_path FILE --grid 200 --output FILE

  --ckpt_path FILE       the checkpoint that holds the solution
  --grid 200             points on each axis; also 200,100, and x=200,y=100,t=1.0, where a decimal
                         point makes it a position
  --points FILE          in place of --grid: a table whose columns name the coordinates, csv or npz
  --output FILE          ends in csv, npz, nc, vti, vtr, vtu or pvd (a series in time)
  --derivatives NAMES    further columns, such as vorticity,u.x
  --allow_import NAME    the checkpoint may also name classes of this package or module
"""


def own_options(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options that are not part of a configuration, and all the others.

    Raises:
        UsageError: one has no value, or one that cannot be, or is given twice.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    for name in (*ONCE, "allow_import", "sweep"):
        parser.add_argument(f"--{name}", action="append", default=[])
    parser.add_argument("--check", action="store_true")
    try:
        own, rest = parser.parse_known_args(argv)
    except argparse.ArgumentError as error:
        asks = "needs a value" if "expected one" in error.message else "takes no value: remove it"
        raise UsageError(f"{error.argument_name} {asks}") from error
    for name in ONCE:
        values = getattr(own, name)
        if len(values) > 1:
            raise UsageError(f"--{name} is given {len(values)} times: remove all but one")
        setattr(own, name, values[0] if values else None)
    if own.more_steps is not None:
        if not (own.more_steps.isdecimal() and 0 < int(own.more_steps) < 10**12):
            raise UsageError(f"--more_steps is {own.more_steps!r}: expected a whole number ≥ 1")
        own.more_steps = int(own.more_steps)
    if own.name is not None and not re.fullmatch(r"\w[\w.,=+-]{0,99}", own.name):
        raise UsageError(
            f"--name is {own.name!r}: expected one folder, of letters, digits and any of . , _ - + "
            "=, up to 100"
        )
    return own, rest


def swept(text: str, keys: Sequence[str]) -> tuple[str, list[str]]:
    """The key and the values of `KEY=A,B,…`; commas in brackets and quotes part none.

    Raises:
        UsageError: there is no key or no value, or a value is there twice.
    """
    key, equals, rest = text.partition("=")
    key = key.strip().removeprefix("--")
    if not key or not equals or not rest.strip():
        raise UsageError(
            f"--sweep {text!r}: expected KEY=A,B, as in model.problem.reynolds=100,400"
        )
    if key.partition(".")[0] not in keys:
        hint = closest(key.partition(".")[0], keys)
        raise UsageError(f"--sweep: unknown key {key!r}{hint}: known: {', '.join(keys)}")
    values, depth, quote = [""], 0, ""
    for letter in rest:
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        depth += (letter in "[{(") - (letter in ")}]") if not quote else 0
        if letter == "," and not depth and not quote:
            values.append("")
        else:
            values[-1] += letter
    values = [value.strip() for value in values]
    if "" in values:
        raise UsageError(f"--sweep {text!r}: a value is empty: remove a comma")
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise UsageError(f"--sweep {text!r}: {twice} is there twice")
    return key, values


def listing() -> list[str]:
    """The configurations, a line each: name, what the file begins by saying, how long it takes."""
    folder = CONFIGS if CONFIGS.is_dir() else home()
    names = config_names()
    width = max(map(len, names), default=0)
    return [f"{name:<{width}}  {summary(folder / f'{name}.yaml')}" for name in names]


def summary(file: Path) -> str:
    """The comment that begins a configuration, on one line."""
    comment = []
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.lstrip("# ").rstrip())
    return " ".join(comment)


def versions() -> str:
    """What runs: this package, torch, Lightning, Python."""
    found = []
    for package in ("torch", "lightning"):
        try:
            found.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            found.append(f"{package} is not installed")
    return f"pinn {__version__}, {', '.join(found)}, Python {platform.python_version()}"
