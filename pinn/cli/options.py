"""The options of this program that are not keys of a configuration."""

import platform
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

import yaml

from pinn import __version__
from pinn.base.messages import cut, echo
from pinn.cli.configuration import CONFIGS, closest, config_names, home
from pinn.cli.yaml_nodes import UsageError, composed

SWITCHES = ("check", "trust_old", "list", "version")
OWN = ("resume", "more_steps", "init_from", "name", "allow_import", "sweep", *SWITCHES)

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
  --trust_old            read a checkpoint of an earlier version, which has no hash, unverified
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
  --at reynolds=40       parameters of the problem that the points have no column for
  --derivatives NAMES    further columns, such as vorticity,u.x
  --allow_import NAME    the checkpoint may also name classes of this package or module
  --trust_old            read a checkpoint of an earlier version, which has no hash, unverified
"""


def check_own(given: Mapping[str, Sequence[str]]) -> None:
    """Hold the values of the options that are not keys against what they can be.

    Raises:
        UsageError: one cannot be.
    """
    for more in given.get("more_steps", ()):
        if not re.fullmatch(r"0*[1-9]\d{0,11}", more, re.ASCII):
            raise UsageError(f"--more_steps is {echo(more)}: expected a whole number ≥ 1")
    for name in given.get("name", ()):
        if not re.fullmatch(r"\w[\w.,=+-]{0,99}", name):
            raise UsageError(
                f"--name is {echo(name)}: expected one folder, of letters, digits and any of "
                ". , _ - + =, up to 100"
            )


def swept(text: str, keys: Sequence[str]) -> tuple[str, list[str]]:
    """The key and the values of `KEY=A,B,…`; commas in brackets and quotes part none.

    Raises:
        UsageError: there is no key or no value, or a value is empty or there twice.
    """
    key, equals, rest = text.partition("=")
    key = key.strip().removeprefix("--")
    if not key or not equals or not rest.strip():
        raise UsageError(
            f"--sweep {echo(text)}: expected KEY=A,B, as in model.problem.reynolds=100,400"
        )
    if key.partition(".")[0] not in keys:
        hint = closest(key.partition(".")[0], keys)
        raise UsageError(f"--sweep: unknown key {echo(key)}{hint}: known: {', '.join(keys)}")
    try:
        whole = f"[{rest}]"
        node = composed(whole, echo(text))
    except yaml.YAMLError as error:
        raise UsageError(
            f"--sweep {echo(text)}: a value is empty, or no YAML: remove a comma, or use quotes"
        ) from error
    items = node.value if node is not None else ()
    values = [whole[item.start_mark.index : item.end_mark.index] for item in items]
    twice = next((value for value in values if values.count(value) > 1), None)
    if twice is not None:
        raise UsageError(f"--sweep {echo(text)}: {cut(twice)} is there twice")
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
