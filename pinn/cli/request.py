"""What a command line asks for, taken apart before torch is loaded; and how a mistake is said."""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pinn.checkpoints.migrations import option as current_option
from pinn.cli.arguments import KEYS, RESET, SUBCOMMANDS, check_options, check_words
from pinn.cli.configuration import closest, find_config, gives_phases, known_configs, run_name
from pinn.cli.options import own_options, swept
from pinn.cli.sweep_members import Member, members
from pinn.cli.yaml_nodes import UsageError


@dataclass
class Request:
    """A command line, its own options taken out.

    Args:
        arguments: what is left for the parser of the configuration, subcommand first.
        name: the configuration's name, which its runs are filed under; empty if there is none.
        resume: `auto`, a checkpoint, or None.
        init_from: a checkpoint to take weights from, or None.
        allow_import: packages whose classes a configuration may name.
        configs: the arguments that name configurations.
        flags: the others, `--KEY=VALUE`, which a run remembers.
        more_steps: how many more the last phase of a run to continue gets; 0 for none.
        checkpoint: where to continue from, once it is found.
        notices: what is said before the run continues.
        label: what the folder of the run is called; empty for the time.
        check: whether only a few steps are tried.
        sweep: all its runs, if it is one.
        member: which run of a sweep this is, if it is one.
    """

    arguments: list[str]
    name: str
    resume: str | None = None
    init_from: str | None = None
    allow_import: list[str] = field(default_factory=list)
    configs: list[str] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    more_steps: int = 0
    checkpoint: Path | None = None
    notices: list[str] = field(default_factory=list)
    label: str = ""
    check: bool = False
    sweep: list[Member] = field(default_factory=list)
    member: Member | None = None

    @property
    def files(self) -> list[str]:
        """The paths of the configurations."""
        pairs = [word.partition("=") for word in self.configs]
        return [path for option, _, path in pairs if option == "--config"]

    def advice(self, checkpoint: Path) -> str:
        """How a run is continued that was stopped: a command, as it can be typed here."""
        from pinn.base.console import command_of  # loads Lightning

        words = [*command_of("python"), sys.argv[0], "--resume", str(checkpoint)]
        words += [word for name in self.allow_import for word in ("--allow_import", name)]
        return f"continue with --resume: {shlex.join(words)}"


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
            f"{given[0]!r} is no subcommand{closest(given[0], (*SUBCOMMANDS, 'predict'))}: use fit "
            "(implied), validate or predict, and --config NAME"
        )
    own, rest = own_options(given)
    sweep = [swept(text, KEYS) for text in own.sweep]
    own.allow_import = [name.removesuffix(".py") for name in own.allow_import]
    configs, flags, name = with_configs([current_option(word) for word in rest])
    check_words([*configs, *flags])
    check_options(subcommand, [*configs, *flags, *(f"--{key}" for key, _ in sweep)], own, name)
    request = Request([subcommand, *configs, *flags], name, own.resume, own.init_from)
    request.allow_import, request.more_steps = own.allow_import, own.more_steps or 0
    request.configs, request.flags = configs, joined(flags)
    request.label, request.check = own.name or "", own.check
    request.sweep = members(argv, sweep) if sweep else []
    return request


def joined(argv: Sequence[str]) -> list[str]:
    """Each option with its value as one word, `--KEY=VALUE`."""
    words: list[str] = []
    for word in argv:
        if words and not word.startswith("--") and "=" not in words[-1]:
            words[-1] += f"={word}"
        else:
            words.append(word)
    return [word for word in words if "=" in word and not word.startswith("--print_config")]


def with_configs(argv: list[str]) -> tuple[list[str], list[str], str]:
    """Each `--config NAME` with a path, the other arguments, and the last one's name.

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
    return configs, result, name


def complain(error: object) -> None:
    """Say on one line what went wrong, from the first process only."""
    if os.environ.get("LOCAL_RANK", "0") == "0":
        print(f"train.py: {one_line(error)}", file=sys.stderr)


def one_line(error: object) -> str:
    """A message on one line."""
    return " ".join(str(error).split())


def wants_traceback() -> bool:
    """Developers see where an error came from with PINN_TRACEBACK=1."""
    return os.environ.get("PINN_TRACEBACK") == "1"
