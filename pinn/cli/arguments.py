"""Words and options of a command line held against each other."""

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Sequence

from pinn.cli.configuration import closest, known_configs
from pinn.cli.options import OWN
from pinn.cli.schema import SECTIONS, SEED
from pinn.cli.yaml_nodes import UsageError

SUBCOMMANDS = ("fit", "validate")
KEYS = (SEED, *SECTIONS)
# Options of the parser that are no keys of a configuration, with a value or without.
OTHERS = ("help", "print_config", "config", "ckpt_path")
# Put before new phases: as many new ones as old would otherwise inherit what they do not state.
RESET = "--model.phases=[]"


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
        if not option or word in ("-h", "--help", "--print_config"):
            continue
        key = word.removeprefix("--").partition("=")[0].partition(".")[0].removesuffix("+")
        if key not in (*KEYS, *OTHERS):
            raise UsageError(unknown(key))
        if "=" in word:
            continue
        if word.endswith(".help"):
            optional = word
        else:
            waiting = word


def unknown(key: str) -> str:
    """A line about a key of no section."""
    near = closest(key, (*OWN, *OTHERS, *KEYS))
    return f"unknown key {key!r}{near}: known: {', '.join(KEYS)}"


def stray(word: str) -> str:
    """A line about a word that is neither an option nor the value of one."""
    if not word:
        return "one of the arguments is empty: remove it"
    if word in SUBCOMMANDS:
        return f"{word!r} is a subcommand: give one of fit and validate, as the first word"
    name = word.lstrip("-—–")
    key = name.partition(".")[0].partition("=")[0]
    hint = f" (did you mean '--{name}'?)" if key in (*KEYS, *OTHERS, *OWN) else ""
    return f"unexpected {word!r}{hint}: keys are given as --KEY VALUE"


def is_text_asked(argv: Sequence[str]) -> bool:
    """Whether only a text is asked for: help, or the configuration as it would be."""
    asks = ("-h", "--help", "--print_config")
    return any(a.startswith(asks) or ".help" in a for a in argv)


def check_options(subcommand: str, argv: list[str], own: argparse.Namespace, name: str) -> None:
    """Hold the options against each other.

    Args:
        subcommand: `fit` or `validate`.
        argv: the options of the configuration.
        own: those of this program.
        name: of the configuration; empty if there is none.

    Raises:
        UsageError: two do not go together, one is given twice, or one is missing.
    """
    options = [a.partition("=")[0] for a in argv if a.startswith("--") and a != RESET]
    for option, count in Counter(options).items():
        if count > 1 and option != "--config" and not option.endswith("+"):
            raise UsageError(f"{option} is given {count} times: remove all but one")
    for line in objections(subcommand == "fit", options, own, name, is_text_asked(argv)):
        raise UsageError(line)


def objections(
    fit: bool, options: Sequence[str], own: argparse.Namespace, name: str, text: bool
) -> Iterator[str]:
    """What is wrong with options together, a line each."""
    new = [each for each in ("sweep", "check") if getattr(own, each)]
    mine = [each for each in ("sweep", "name", "check") if getattr(own, each)]
    checkpoint = "--ckpt_path" in options
    wrong = {
        "--ckpt_path belongs to validate: use --resume FILE to continue a run, or --init_from FILE "
        "to start one from its weights": fit and checkpoint,
        "--resume and --init_from belong to fit: use --ckpt_path FILE": not fit
        and (own.resume or own.init_from),
        "--more_steps trains a run on: add --resume auto, or --resume FILE": own.more_steps
        and not own.resume,
        "--resume continues a run, --init_from starts a new one: give one of them": own.resume
        and own.init_from,
        f"--{''.join(mine[:1])} belongs to fit: remove it": mine and not fit,
        "--name goes with --resume auto; a checkpoint says which run: remove --name": own.name
        and own.resume not in (None, "auto"),
        f"--{''.join(new[:1])} is for a new run, --resume continues one: remove one of them": new
        and own.resume,
        "--check tries one run: remove --sweep": own.sweep and own.check,
        "--sweep starts its runs itself: call it without torchrun": own.sweep
        and "LOCAL_RANK" in os.environ,
        "--more_steps and --model.phases both say how long: give one of them": own.more_steps
        and "--model.phases" in options,
        "validate needs a solution: add --ckpt_path FILE": not (fit or checkpoint or text),
        "--resume auto continues the newest run of a configuration: add --config NAME, or give a "
        "checkpoint, --resume FILE": own.resume == "auto" and not name,
        f"no configuration: add --config NAME, {known_configs()}": not (
            name or checkpoint or own.resume or (text and "--print_config" not in options)
        ),
    }
    yield from (line for line, is_so in wrong.items() if is_so)
