"""Before torch is loaded: which subcommand, which configuration, which run to continue.

A mistake made here is answered in a fraction of a second; importing torch takes several.
"""

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pinn import __version__
from pinn.checkpoints.migrations import option as current_option
from pinn.cli.checks import KEYS, RESET, SUBCOMMANDS, check_options, check_words, is_text_asked
from pinn.cli.configuration import (
    closest,
    find_config,
    gathered,
    gives_phases,
    known_configs,
    run_name,
)
from pinn.cli.options import HELP, listing, own_options, swept, versions
from pinn.cli.predict import predict
from pinn.cli.schema import check, importable
from pinn.cli.sweep_members import Member, members, this_member
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
        python = Path(sys.executable)
        here = python.is_relative_to(Path.cwd())
        on_path = Path(shutil.which("python") or "")
        near = python.relative_to(Path.cwd()) if here else python
        words = ["python" if on_path == python else str(near), sys.argv[0]]
        words += ["--resume", str(checkpoint)]
        words += [word for name in self.allow_import for word in ("--allow_import", name)]
        return f"continue with --resume: {shlex.join(words)}"


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
    if "--version" in argv:
        print(versions())
        return 0
    if "--list" in argv:
        print("\n".join(listing()))
        return 0
    try:
        if argv and argv[0] == "predict":
            return predict(argv[1:])
        request = parse(argv)
        for each in [request, *(parse(member.argv) for member in request.sweep)]:
            check_settings(each)
        request.member = this_member()
        if request.member:
            request.label = request.member.label
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
    if is_text_asked(request.arguments) or os.environ.get("LOCAL_RANK", "0") != "0":
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


def check_settings(request: Request) -> None:
    """Hold names and types of all settings against what they are for.

    Raises:
        UsageError: one cannot be.
    """
    importable(request.allow_import, [Path(path).parent for path in request.files])
    whole = request.name and not request.resume and not is_text_asked(request.arguments)
    flags = [f.replace(".help=", "=") for f in request.flags if "--ckpt_path=" not in f]
    check(gathered(request.files, flags), request.allow_import, bool(whole))


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


def wants_traceback() -> bool:
    """Developers see where an error came from with PINN_TRACEBACK=1."""
    return os.environ.get("PINN_TRACEBACK") == "1"
