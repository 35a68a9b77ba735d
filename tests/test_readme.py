"""The README does what it says: its commands run, its lines are printed."""

import contextlib
import io
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from pathlib import Path

import pytest
import torch

import pinn
from pinn.cli.main import main
from pinn.cli.request import parse

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(text, language):
    """The fenced blocks of a language as (title, text), in order; the title may be empty."""
    fence = rf'^```{language}(?: title="([^"\n]*)")?\n(.*?)^```$'
    return re.findall(fence, text, flags=re.MULTILINE | re.DOTALL)


def errors(printed):
    """The table of a run: component → relative error."""
    return {
        name: float(value) for name, value in re.findall(r"error of (\w+)\s*│\s*(\S+)", printed)
    }


def test_python_of_the_readme_runs(here):
    namespace = {"__name__": "readme"}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for _, source in blocks(README, "python"):
            exec(compile(source, "README.md", "exec"), namespace)
    plan = next(body for _, body in blocks(README, "text") if body.startswith("plan"))
    reads, strategy = plan.splitlines()
    assert reads in printed.getvalue()
    name = re.match(r"strategy  \w+", strategy)[0]  # what follows depends on the machine
    assert f"\n{name}" in printed.getvalue()
    assert "torch.Size([8, 100])" in printed.getvalue()
    solution = namespace["solution"]
    fields, _ = solution.fields(torch.tensor([[1.0, 0.5]], dtype=torch.float64))
    for found, promised in ((fields["u"], [1.0, 0.0]), (pinn.grad(fields["p"]), [-0.8, 0.0])):
        assert found.value[0].tolist() == pytest.approx(promised, abs=2e-4)
    assert list((here / "runs" / "channel").glob("*/checkpoints/*.ckpt"))


def test_commands_for_a_fresh_clone_name_what_exists():
    (_, train), (_, test) = blocks(README, "bash")[:2]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for command in (train, test):
        assert command.count("\n") == 1
        assert "python3 -m venv .venv && " in command
        versions = re.search(r"-c (\S+)", command)[1]
        assert (ROOT / versions).is_file()
        for extra in re.findall(r'-e "?\.\[(\w+)\]', command):
            assert extra in settings["optional-dependencies"]
    config = re.search(r"\.venv/bin/python train\.py --config (\S+)\n$", train)[1]
    assert (ROOT / "configs" / config).is_file()
    assert ".[test]" in test
    assert test.endswith(".venv/bin/python -m pytest -n 2\n")
    assert "readme_command 2" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def section(title):
    """A section of the README."""
    return README.split(f"\n## {title}\n")[1].split("\n## ")[0]


def commands():
    """The command lines of the README, comments taken off, as lists of words."""
    text = "".join(body for _, body in blocks(section("On the command line"), "bash"))
    return [shlex.split(line, comments=True) for line in text.splitlines()]


def newest(name):
    """RUN and FILE of the newest checkpoint of a configuration."""
    path = max(Path("runs", name).glob("2*/checkpoints/*.ckpt"))
    return path.parent.parent.name, path.name


# The shipped networks take seconds for a step; how the commands differ is in their options.
FEW = ["--model.network.width", "30", "--data.held_out", "50", "--model.derivatives", "taylor"]
FEW += ["--data.points", "{interior: 60}"]


def test_commands_of_the_readme_run(here, capsys):
    assert main(["--config", "poisson", "--trainer.max_steps", "2", *FEW]) == 0
    trained = 1
    for program, *rest in commands():
        if program == ".venv/bin/tensorboard":
            continue
        assert (program, rest[0]) == (".venv/bin/python", "train.py")
        if rest[1] == "--list":
            capsys.readouterr()
            assert main(rest[1:]) == 0
            listed = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
            assert listed == sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
            continue
        run, file = newest("poisson")
        argv = [word.replace("RUN", run).replace("FILE.ckpt", file) for word in rest[1:]]
        if argv[0] != "validate":
            steps = "6" if "--more_steps" in argv else "4" if "--resume" in argv else "2"
            argv += ["--trainer.max_steps", steps]
            argv += [] if "--print_config" in argv else FEW
        capsys.readouterr()
        if "--sweep" in argv:  # each of its runs is a process: tests/test_sweep.py has some
            assert len(parse(argv).sweep) == 2
            continue
        assert main(argv) == 0, argv
        printed = capsys.readouterr().out
        if "--print_config" in argv:
            assert "reynolds: 100.0" in printed
            continue
        if "--check" in argv:
            assert "estimate  2 steps" in printed
            continue
        assert "how good it is" in printed, argv
        trained += "--resume" not in argv and argv[0] != "validate"
        assert len(list(Path("runs").glob("*/*"))) == trained, argv
    assert newest("kovasznay")[1] == "step-0000006.ckpt"


def test_tensorboard_answers(here):
    (command,) = [words for words in commands() if words[0] == ".venv/bin/tensorboard"]
    (here / "runs").mkdir()
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    argv = [sys.executable, "-m", "tensorboard.main", *command[1:], "--port", str(port)]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        assert "TensorBoard" in first_answer(f"http://localhost:{port}/", server)
    finally:
        server.terminate()
        server.wait(timeout=10)


def first_answer(url, server):
    """What a server says once it is up."""
    until = time.monotonic() + 60
    while time.monotonic() < until and server.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=10) as answer:
            return answer.read().decode()
        time.sleep(0.2)
    return ""


def test_the_readme_lists_every_configuration():
    rows = re.findall(r"^\| `(\w+)` \|", section("What comes with it"), flags=re.MULTILINE)
    names = sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
    assert sorted(rows) == names


def test_the_readme_shows_how_a_run_ends():
    tables = [body for _, body in blocks(README, "text") if "how good it is" in body]
    assert len(tables) == 1
    assert set(errors(tables[0])) >= {"u", "v", "p"}
    assert "residual of momentum" in tables[0]
    assert "<!--" not in README
