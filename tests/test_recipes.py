"""The recipes run as they are printed, and print numbers as small as they say."""

import contextlib
import io
import re
import shlex
import sys
from pathlib import Path

import pytest

from pinn.cli.main import main, parse

PAGE = (Path(__file__).parents[1] / "docs" / "recipes.md").read_text(encoding="utf-8")
FENCE = re.compile(r'^```(\w+)(?: title="([^"\n]*)")?\n(.*?)^```$', re.MULTILINE | re.DOTALL)
BLOCKS = [match.groups() for match in FENCE.finditer(PAGE)]
FILES = {title: body for _, title, body in BLOCKS if title}
PROGRAMS = [name for name, body in FILES.items() if name.endswith(".py") and "# below" in body]
COMMANDS = [
    line
    for kind, _, body in BLOCKS
    if kind == "bash"
    for line in body.splitlines()
    if "train.py" in line
]
BOUND = re.compile(r"^print\(.*\)  # below (\S+)$", re.MULTILINE)


@pytest.fixture
def files(here, monkeypatch):
    """The files that the page shows, in the current folder."""
    for name, body in FILES.items():
        (here / name).write_text(body, encoding="utf-8")
    monkeypatch.syspath_prepend(str(here))
    yield here
    for name in ("nets", "plates"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_recipe_keeps_its_word(name, files):
    """Run the program and hold the last numbers it prints against the bounds behind them."""
    bounds = [float(bound) for bound in BOUND.findall(FILES[name])]
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(FILES[name], name, "exec"), {"__name__": name.removesuffix(".py")})
    found = [float(line) for line in printed.getvalue().splitlines()[-len(bounds) :]]
    assert bounds
    assert all(0 <= number < bound for number, bound in zip(found, bounds, strict=True)), found


def test_the_table_links_every_recipe_in_order():
    titles = re.findall(r"^## (.*)$", PAGE, flags=re.MULTILINE)
    linked = re.findall(r"\| \[([^\]]+)\]\(#[a-z0-9-]+\) \|", PAGE)
    assert linked == titles


# The shipped network takes seconds for a step; how the commands differ is in their options.
FEW = ["--model.network.width", "24", "--data.held_out", "50", "--model.derivatives", "taylor"]
FEW += ["--data.points", "{interior: 60}"]


def test_commands_of_the_page_run(files, monkeypatch):
    monkeypatch.setattr(sys, "argv", [str(Path(__file__).parents[1] / "train.py")])
    steps = 0
    for line in COMMANDS:
        argv = shlex.split(line, comments=True)[2:]
        if "--sweep" in argv:  # each of its runs is a process: tests/test_sweep.py has some
            assert len(parse(argv).sweep) == 2
            continue
        if "ddp" in argv:  # in this process there is one; tests/test_distributed.py has two
            argv[argv.index("--trainer.devices") + 1] = "1"
            argv[argv.index("--trainer.strategy") + 1] = "auto"
        if "FILE.ckpt" in argv[-1]:
            argv[-1] = str(max(Path("runs/poisson").glob("*/checkpoints/*.ckpt")))
        steps += 2
        limit = [] if argv[0] == "predict" else ["--trainer.max_steps", str(steps), *FEW]
        assert main([*argv, *limit]) == 0, line
