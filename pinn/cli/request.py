"""What a command line asks for, taken apart before torch is loaded; and how a mistake is said."""

import os
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pinn.base.error_file import record
from pinn.base.first_process import is_first, rank_told
from pinn.base.messages import LINE, cut, echo
from pinn.checkpoints.migrations import option as current_option
from pinn.cli.arguments import KEYS, KNOWN, SUBCOMMANDS, joined, objections, unknown, values
from pinn.cli.configuration import closest, find_config, gives_phases, known_configs, run_name
from pinn.cli.options import OWN, check_own, swept
from pinn.cli.sweep_members import Member, members
from pinn.cli.yaml_nodes import UsageError

# Put before new phases: as many new ones as old would otherwise inherit what they do not state.
RESET = "--model.phases=[]"
MEANWHILE = 2.0  # seconds in which a launcher ends all processes after the first one
TAKEN = ("--config", *(f"--{name}" for name in OWN))


@dataclass
class Request:
    """A command line, its own options taken out.

    Args:
        subcommand: `fit` or `validate`.
        name: the configuration's name, which its runs are filed under; empty if there is none.
        files: the paths of the configurations.
        rest: the other words for the parser of the configuration.
        resume: `auto`, a checkpoint, or None.
        init_from: a checkpoint to take weights from, or None.
        allow_import: packages whose classes a configuration may name.
        more_steps: how many more the last phase of a run to continue gets; 0 for none.
        checkpoint: where to continue from, once it is found.
        notices: what is said before the run continues.
        label: what the folder of the run is called; empty for the time.
        check: whether only a few steps are tried.
        trust_old: whether checkpoints of earlier versions, which have no hash, are read.
        sweep: all its runs, if it is one.
        member: which run of a sweep this is, if it is one.
    """

    subcommand: str
    name: str
    files: list[str]
    rest: list[str]
    resume: str | None = None
    init_from: str | None = None
    allow_import: list[str] = field(default_factory=list)
    more_steps: int = 0
    checkpoint: Path | None = None
    notices: list[str] = field(default_factory=list)
    label: str = ""
    check: bool = False
    trust_old: bool = False
    sweep: list[Member] = field(default_factory=list)
    member: Member | None = None

    @property
    def flags(self) -> list[str]:
        """What is given beside configurations, `--KEY=VALUE`, which a run remembers."""
        return [word for word in self.rest if "=" in word and not word.startswith("--print_config")]

    @property
    def arguments(self) -> list[str]:
        """The words for the parser of the configuration.

        Configurations come first, wherever they stood: what is given beside them overrides them.
        """
        words: list[str] = []
        for path in self.files:
            words += [*([RESET] if gives_phases(Path(path)) else []), f"--config={path}"]
        for word in self.rest:
            words += [RESET, word] if word.startswith("--model.phases=") else [word]
        return words

    @property
    def is_text_asked(self) -> bool:
        """Whether only a text is asked for: help, or the configuration as it would be."""
        asks = ("--help", "--print_config")
        return any(word.startswith(asks) or ".help" in word for word in self.rest)

    def advice(self, checkpoint: Path) -> str:
        """How a run is continued that was stopped: a command, as it can be typed here."""
        from pinn.cli.invocation import invocation  # loads Lightning

        words = [*invocation(), "--resume", str(checkpoint)]
        words += [word for name in self.allow_import for word in ("--allow_import", name)]
        nodes = ", on every machine with its own --node-rank" * ("--node-rank" in words)
        return f"continue with --resume{nodes}: {shlex.join(words)}"


def parse(argv: Sequence[str]) -> Request:
    """Take a command line apart.

    Raises:
        UsageError: nothing to do, or a configuration that does not exist or is no configuration.
    """
    if not argv:
        raise UsageError(f"give a configuration: python train.py --config NAME, {known_configs()}")
    subcommand, given = (argv[0], argv[1:]) if argv[0] in SUBCOMMANDS else ("fit", argv)
    if given and not given[0].startswith("-") and given[0] not in SUBCOMMANDS:
        raise UsageError(
            f"{echo(given[0])} is no subcommand{closest(given[0], (*SUBCOMMANDS, 'predict'))}: use "
            "fit (implied), validate or predict, and --config NAME"
        )
    words = [current_option(word) for word in joined(given, KNOWN, unknown)]
    sweep = [
        swept(word.removeprefix("--sweep="), KEYS) for word in words if word.startswith("--sweep=")
    ]
    keys = [f"--{key}" for key, _ in sweep]
    own = values([*words, *keys], ("config", "allow_import", "sweep"))
    check_own(own)
    files = [find_config(text) for text in own.get("config", ())]
    name = run_name(files[-1]) if files else ""
    rest = [word for word in words if word.partition("=")[0] not in TAKEN]
    last = {name: texts[-1] for name, texts in own.items()}
    request = Request(
        subcommand,
        name,
        [str(file) for file in files],
        rest,
        resume=last.get("resume"),
        init_from=last.get("init_from"),
        allow_import=[module.removesuffix(".py") for module in own.get("allow_import", ())],
        more_steps=int(last.get("more_steps", 0)),
        label=last.get("name", ""),
        check="check" in own,
        trust_old="trust_old" in own,
    )
    for line in objections(subcommand == "fit", own, name, request.is_text_asked):
        raise UsageError(line)
    request.sweep = members([subcommand, *words], sweep) if sweep else []
    return request


def complain(error: object, anywhere: bool = False) -> None:
    """Say on one line what went wrong, from the first process.

    Args:
        error: what went wrong.
        anywhere: another process says it too, unless it is ended meanwhile: then all have made the
            same mistake.
    """
    line = cut(" ".join(str(error).split()), LINE)
    record(line)
    if not is_first():
        if not anywhere:
            return
        time.sleep(MEANWHILE * (1.0 if os.environ.get("LOCAL_RANK", "0") == "0" else 1.5))
        line = f"rank {rank_told()}: {line}"
    print("train.py:", line, file=sys.stderr, flush=True)
