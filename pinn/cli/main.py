"""The start of the program: what needs no torch is done and checked before torch is loaded.

A mistake made here is answered in a fraction of a second; importing torch takes several.
"""

import contextlib
import gc
import io
import locale
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pinn import __version__
from pinn.base.first_process import is_first
from pinn.base.heap import keep_freed_memory
from pinn.base.messages import echo
from pinn.base.paths import unmakeable
from pinn.base.signals import program
from pinn.cli.arguments import SUBCOMMANDS
from pinn.cli.configuration import gathered
from pinn.cli.options import HELP, PREDICT_HELP, listing, versions
from pinn.cli.predict import predict
from pinn.cli.request import Request, complain, parse
from pinn.cli.schema import check, importable
from pinn.cli.sweep_members import this_member
from pinn.cli.yaml_nodes import UsageError

LONGEST = 100  # characters of the name of a run


def main(argv: Sequence[str]) -> int:
    """Run a command line.

    Returns:
        0; 1 if the run failed; 2 for a mistake in the command line or configuration; 130 and 143
        if SIGINT or SIGTERM stopped it.
    """
    read_utf8()
    try:
        code = answer(argv)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who reads has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def answer(argv: Sequence[str]) -> int:
    """What `main` does, for an output that somebody reads to its end."""
    if any(a in ("-h", "--help") for a in argv):
        print(PREDICT_HELP if argv[0] == "predict" else HELP)
        if argv[0] not in SUBCOMMANDS:
            return 0
    if "--version" in argv:
        print(versions())
        return 0
    if "--list" in argv:
        print("\n".join(listing()))
        return 0
    try:
        if argv and argv[0] in ("predict", "validate"):
            program.when = "before it was done"
        if argv and argv[0] == "predict":
            return predict(argv[1:])
        request = parse(argv)
        for each in [request, *(parse(member.argv) for member in request.sweep)]:
            check_settings(each)
        request.member = this_member()
        if request.member:
            request.label = request.member.label
        return loaded(request)(request)
    except UsageError as error:
        complain(error, anywhere=True)
        return 2
    except KeyboardInterrupt:
        complain("stopped before the first step")
        return 130
    except Exception as error:  # of a path that no file system can name, say
        if os.environ.get("PINN_TRACEBACK") == "1":
            raise
        line = f"{type(error).__name__}: {error}; PINN_TRACEBACK=1 shows where"
        complain(line, anywhere=True)
        return 2


def loaded(request: Request) -> Callable[[Request], int]:
    """What carries out a request, once all modules are there that it needs.

    They are thousands and stay to the end: looking for garbage among them takes a tenth of a second
    each time, now and in a step.
    """
    gc.disable()
    try:
        greet(request)
        from pinn.cli.exit_codes import run
    finally:
        gc.freeze()
        gc.enable()
    keep_freed_memory()
    return run


def greet(request: Request) -> None:
    """Load what takes seconds, and say so; silent where only text is asked for."""
    if request.is_text_asked or not is_first():
        return
    name = f" · {request.name}" if request.name else ""
    print(f"pinn {__version__}{name} · loading torch …", flush=True)
    import torch  # noqa: F401

    print("loading Lightning …", flush=True)
    import pinn.training.lightning_adapter  # noqa: F401 - loads it

    print("building the problem …", flush=True)


def read_utf8() -> None:
    """Files are text in UTF-8, whatever the terminal is, and what it cannot show is a `?`."""
    with contextlib.suppress(locale.Error):
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def check_settings(request: Request) -> None:
    """Hold names and types of all settings against what they are for.

    Raises:
        UsageError: one cannot be.
    """
    importable(request.allow_import, [Path(path).parent for path in request.files])
    whole = request.name and not request.resume and not request.is_text_asked
    flags = [f.replace(".help=", "=") for f in request.flags if "--ckpt_path=" not in f]
    settings = gathered(request.files, flags)
    check(settings, request.allow_import, bool(whole))
    if request.subcommand == "fit" and not request.is_text_asked and not request.check:
        root = (settings.get("trainer") or {}).get("default_root_dir") or "runs"
        if isinstance(root, str):  # `true` is a name that YAML reads otherwise
            check_home(root, request.name)


def check_home(root: str, name: str) -> None:
    """Hold the place of runs against the file system.

    Raises:
        UsageError: it can have no folder for a run.
    """
    if is_first() and (why := unmakeable(Path(root, name, "x" * LONGEST))):
        raise UsageError(
            f"{echo(str(Path(root, name)))} {why}: give another --trainer.default_root_dir, or "
            "move what is in the way"
        )
