"""Words and options of a command line held against each other."""

import os
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from pinn.base.messages import echo
from pinn.cli.configuration import closest, known_configs
from pinn.cli.options import OWN, SWITCHES
from pinn.cli.schema import SECTIONS, SEED
from pinn.cli.yaml_nodes import UsageError

SUBCOMMANDS = ("fit", "validate")
KEYS = (SEED, *SECTIONS)
# Options of the parser that are no keys of a configuration, with a value or without.
OTHERS = ("help", "print_config", "config", "ckpt_path")
KNOWN = (*OWN, *OTHERS, *KEYS)
BARE = ("--help", "--print_config", *(f"--{name}" for name in SWITCHES))
SHORT = {"-h": "--help", "-c": "--config"}


def joined(argv: Sequence[str], known: Collection[str], refusal: Callable[[str], str]) -> list[str]:
    """Each option with its value as one word, `--KEY=VALUE`.

    Args:
        argv: a command line.
        known: the options, or what stands before the first dot in them.
        refusal: a line about a word that is none of them, nor the value of one.

    Raises:
        UsageError: there is such a word, or a value is missing.
    """
    words, rest = [], deque(argv)
    while rest:
        word = rest.popleft()
        option, equals, value = word.partition("=")
        option = SHORT.get(option, option)
        key = option.removeprefix("--").partition(".")[0].removesuffix("+")
        if not option.startswith("--") or key not in known:
            raise UsageError(refusal(word))
        if option in BARE:
            if equals and option != "--print_config":
                raise UsageError(f"{option} takes no value: remove it")
        elif not equals and rest and not rest[0].startswith("--") and rest[0] not in SHORT:
            equals, value = "=", rest.popleft()
        elif not equals and option != "--config" and not option.endswith(".help"):
            raise UsageError(f"{option} needs a value")
        if option == "--config" and not value:
            raise UsageError(f"--config needs a name, {known_configs()}")
        words.append(option + equals + value)
    return words


def values(words: Sequence[str], several: Collection[str]) -> dict[str, list[str]]:
    """The values of each option, by its name.

    Args:
        words: each an option with its value.
        several: the options that may be given more than once, and those that end with `+`.

    Raises:
        UsageError: another one is given twice.
    """
    given: dict[str, list[str]] = {}
    for word in words:
        option, _, value = word.partition("=")
        given.setdefault(option.removeprefix("--"), []).append(value)
    for name, texts in given.items():
        if len(texts) > 1 and name not in several and not name.endswith("+"):
            raise UsageError(f"--{name} is given {len(texts)} times: remove all but one")
    return given


def unknown(word: str) -> str:
    """A line about a word that is neither a known option nor the value of one."""
    if not word:
        return "one of the arguments is empty: remove it"
    if word in SUBCOMMANDS:
        return f"{echo(word)} is a subcommand: give one of fit and validate, as the first word"
    name = word.lstrip("-—–")
    key = name.partition("=")[0].partition(".")[0].removesuffix("+")
    if word.startswith("--"):
        return f"unknown key {echo(key)}{closest(key, KNOWN)}: known: {', '.join(KEYS)}"
    hint = f" (did you mean '--{name}'?)" if key in KNOWN else ""
    return f"unexpected {echo(word)}{hint}: keys are given as --KEY VALUE"


def objections(
    fit: bool, given: Mapping[str, Sequence[str]], name: str, text: bool
) -> Iterator[str]:
    """What is wrong with options together, a line each.

    Args:
        fit: whether a run is asked for, and not a validation.
        given: the values of each option.
        name: of the configuration; empty if there is none.
        text: whether only a text is asked for.
    """
    new = [each for each in ("sweep", "check") if each in given]
    mine = [each for each in ("sweep", "name", "check") if each in given]
    resume, checkpoint = given.get("resume"), "ckpt_path" in given
    wrong = {
        "--ckpt_path belongs to validate: use --resume FILE to continue a run, or --init_from FILE "
        "to start one from its weights": fit and checkpoint,
        "--resume and --init_from belong to fit: use --ckpt_path FILE": not fit
        and (resume or "init_from" in given),
        "--more_steps trains a run on: add --resume auto, or --resume FILE": "more_steps" in given
        and not resume,
        "--resume continues a run, --init_from starts a new one: give one of them": resume
        and "init_from" in given,
        f"--{''.join(mine[:1])} belongs to fit: remove it": mine and not fit,
        "--name goes with --resume auto; a checkpoint says which run: remove --name": "name"
        in given
        and resume not in (None, ["auto"]),
        f"--{''.join(new[:1])} is for a new run, --resume continues one: remove one of them": new
        and resume,
        "--check tries one run: remove --sweep": len(new) == 2,
        "--sweep starts its runs itself: call it without torchrun": "sweep" in given
        and "LOCAL_RANK" in os.environ,
        "--more_steps and --model.phases both say how long: give one of them": "more_steps" in given
        and "model.phases" in given,
        "validate needs a solution: add --ckpt_path FILE": not (fit or checkpoint or text),
        "--resume auto continues the newest run of a configuration: add --config NAME, or give a "
        "checkpoint, --resume FILE": resume == ["auto"] and not name,
        "--trust_old is about a checkpoint: add --resume, --init_from or --ckpt_path, or remove "
        "it": "trust_old" in given and not (resume or "init_from" in given or checkpoint),
        f"no configuration: add --config NAME, {known_configs()}": not (
            name or checkpoint or resume or (text and "print_config" not in given)
        ),
    }
    yield from (line for line, is_so in wrong.items() if is_so)
