"""The pages do what they say: their files are written, their commands run, their lines printed."""

import contextlib
import importlib
import io
import os
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

from pinn import MLP
from pinn.cli.launch import main
from pinn.reads import plan_regions
from pinn.solution import Solution

ROOT = Path(__file__).parents[1]
TRAIN = ROOT / "train.py"
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGE = (ROOT / "docs" / "new_problem.md").read_text(encoding="utf-8")
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("pinn/**/*.md")])


def blocks(text, language):
    """The fenced blocks of a language as (title, text), in order; the title may be empty."""
    fence = rf'^```{language}(?: title="([^"\n]*)")?\n(.*?)^```$'
    return re.findall(fence, text, flags=re.MULTILINE | re.DOTALL)


def titled(text):
    """The titled blocks of a page: title → text."""
    found = [*blocks(text, "python"), *blocks(text, "yaml")]
    return {title: body for title, body in found if title}


def errors(printed):
    """The table of a run: component → relative error."""
    return {name: float(value) for name, value in re.findall(r"error of (\w+)\s*│ (\S+)", printed)}


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder as the current one, in which command lines may run in this process."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "argv", [str(TRAIN)])
    monkeypatch.delenv("PINN_RUN_FOLDER", raising=False)
    yield tmp_path
    os.environ.pop("PINN_RUN_FOLDER", None)
    for name in ("my_problem", "measurements"):
        sys.modules.pop(name, None)


# A problem of one's own.


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The page followed to the letter: the folder, and what each command printed."""
    folder = tmp_path_factory.mktemp("page")
    for title, body in titled(PAGE).items():
        if title.endswith((".py", ".yaml")):
            (folder / title).write_text(body, encoding="utf-8")
    printed = []
    for _, command in blocks(PAGE, "bash"):
        program, script, *rest = shlex.split(command)
        assert program == "python"
        script = str(TRAIN) if script == "train.py" else script
        argv = [sys.executable, script, *rest]
        answer = subprocess.run(argv, cwd=folder, capture_output=True, encoding="utf-8")
        assert answer.returncode == 0, answer.stderr
        assert answer.stderr == ""
        printed.append(answer.stdout)
    return folder, printed


def test_twenty_lines_are_enough():
    assert len(titled(PAGE)["my_problem.py"].splitlines()) <= 20


def test_the_page_trains_what_it_says(followed):
    _, (trained, _) = followed
    ((_, quoted),) = blocks(PAGE, "text")
    assert trained.startswith(quoted)
    assert set(errors(trained)) == {"u", "v"}
    assert max(errors(trained).values()) < 1e-3
    assert "below 0.1 %" in PAGE


def test_the_loaded_checkpoint_has_the_derivatives_the_page_shows(followed):
    _, (_, looked) = followed
    value, dt, grad, error = numbers(looked)
    promised = re.search(r"# u = ([\d.]+), v = ([\d.]+)", PAGE)
    assert value == pytest.approx([float(v) for v in promised.groups()], abs=1e-3)
    # w = 1/(4 (1 + e^s)), s = (4y − 4x − t)/32ν, is u = 3/4 − w and v = 3/4 + w.
    slope = torch.sigmoid(torch.tensor(1 / 1.6, dtype=torch.float64))
    slope = float(0.25 * slope * (1 - slope) / 1.6)
    assert dt == pytest.approx([-slope, slope], abs=2e-2)
    assert grad == pytest.approx([s * 4 * slope for s in (-1, 1, 1, -1)], abs=2e-2)
    assert error == pytest.approx([0, 0], abs=1e-3)


def numbers(printed):
    """The numbers of each tensor that was printed."""
    return [
        [float(v) for v in re.findall(r"-?\d+\.\d+(?:e-?\d+)?", text)]
        for text in printed.split("tensor(")[1:]
    ]


def mistakes():
    """Quoted mistakes: what is edited in the file beforehand, the command, the answer."""
    found = []
    for edit, body in re.findall(r"^([^\n]*)\n\n```console\n(.*?)^```$", PAGE, re.M | re.S):
        command, answer = body.splitlines()
        change = re.search(r"With `(\S+)` for `(\S+)` in `my_problem.py`", edit)
        found.append((change and change.groups(), command.removeprefix("$ "), answer))
    return found


def test_the_page_quotes_two_mistakes():
    assert [edit for edit, _, _ in mistakes()] == [None, ('"boundry"', '"boundary"')]


@pytest.mark.parametrize(("edit", "command", "answer"), mistakes())
def test_a_mistake_prints_the_quoted_line(edit, command, answer, here, capsys):
    files = titled(PAGE)
    source = files["my_problem.py"]
    if edit is not None:
        assert source.count(edit[1]) == 1
        source = source.replace(edit[1], edit[0])
    (here / "my_problem.py").write_text(source, encoding="utf-8")
    (here / "my_problem.yaml").write_text(files["my_problem.yaml"], encoding="utf-8")
    importlib.invalidate_caches()
    assert shlex.split(command)[:2] == ["python", "train.py"]
    assert main(shlex.split(command)[2:]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == answer + "\n"


def test_an_argument_becomes_a_key(here, capsys):
    files = titled(PAGE)
    source = files["my_problem.py"].replace("    nu = 0.05\n", files["instead of nu = 0.05"])
    (here / "my_problem.py").write_text(source, encoding="utf-8")
    (here / "my_problem.yaml").write_text(files["my_problem.yaml"], encoding="utf-8")
    importlib.invalidate_caches()
    assert "`--model.problem.nu 0.1`" in PAGE
    argv = "--config my_problem.yaml --allow_import my_problem --model.problem.nu 0.1"
    assert main([*argv.split(), "--print_config"]) == 0
    assert "nu: 0.1" in capsys.readouterr().out


def test_measurements_become_a_residual(here):
    files = titled(PAGE)
    (here / "my_problem.py").write_text(files["my_problem.py"], encoding="utf-8")
    (here / "measurements.py").write_text(files["measurements"], encoding="utf-8")
    sys.path.insert(0, str(here))
    importlib.invalidate_caches()
    problem = importlib.import_module("measurements").Measured()
    plans = plan_regions(Solution(problem, MLP(8, 2)))
    assert list(plans["probes"].reads) == ["measured"]
    # The invented measurements are those of the exact solution, to the digits given.
    points = problem.geometry.sample("probes", 1)
    exact = 0.75 - 0.25 / (1 + torch.exp((4 * (points.at[:, 1] - points.at[:, 0]) - 1) / 1.6))
    assert torch.allclose(points.columns["speed"], exact, atol=5e-3)


# The README.


def test_python_of_the_readme_runs(here):
    namespace = {"__name__": "readme"}
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        for _, source in blocks(README, "python"):
            exec(compile(source, "README.md", "exec"), namespace)
    plan = next(body for _, body in blocks(README, "text") if body.startswith("plan"))
    for line in plan.splitlines():
        assert line in printed.getvalue()
    assert "torch.Size([8, 100])" in printed.getvalue()
    solution = namespace["solution"]
    assert set(solution(torch.tensor([[1.0, 0.5]], dtype=torch.float64))) == {"u", "p"}
    assert list((here / "runs" / "channel").glob("*/checkpoints/*.ckpt"))


def test_commands_for_a_fresh_clone_name_what_exists():
    (_, train), (_, test) = blocks(README, "bash")[:2]
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    for command in (train, test):
        assert command.count("\n") == 1
        assert "python3 -m venv .venv && " in command
        requirements = re.search(r"-r (\S+)", command)[1]
        assert (ROOT / requirements).is_file()
        for extra in re.findall(r'-e "?\.\[(\w+)\]', command):
            assert extra in settings["optional-dependencies"]
    config = re.search(r"\.venv/bin/python train\.py --config (\S+)\n$", train)[1]
    assert (ROOT / "configs" / config).is_file()
    assert ".[test]" in test
    assert test.endswith(".venv/bin/python -m pytest\n")
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
    path = max(Path("runs", name).glob("*/checkpoints/*.ckpt"))
    return path.parent.parent.name, path.name


def test_commands_of_the_readme_run(here, capsys):
    assert main(["--config", "poisson", "--trainer.max_steps", "2"]) == 0
    trained = 1
    for program, *rest in commands():
        if program == ".venv/bin/tensorboard":
            continue
        assert (program, rest[0]) == (".venv/bin/python", "train.py")
        run, file = newest("poisson")
        argv = [word.replace("RUN", run).replace("FILE.ckpt", file) for word in rest[1:]]
        if argv[0] != "validate":
            argv += ["--trainer.max_steps", "4" if "--resume" in argv else "2"]
        capsys.readouterr()
        assert main(argv) == 0, argv
        printed = capsys.readouterr().out
        if "--print_config" in argv:
            assert "reynolds: 100.0" in printed
            continue
        assert "how good it is" in printed, argv
        trained += "--resume" not in argv and argv[0] != "validate"
        assert len(list(Path("runs").glob("*/*"))) == trained, argv
    assert newest("kovasznay")[1] == "step-0000004.ckpt"


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


# All pages, and all other text.


@pytest.mark.parametrize("page", PAGES, ids=[str(path.relative_to(ROOT)) for path in PAGES])
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_text_is_about_the_project():
    parts = ("pinn/**/*.py", "tests/*.py", "benchmarks/*", "configs/*", ".ci/*", "*.toml", "*.py")
    files = [*PAGES, *(path for part in parts for path in ROOT.glob(part) if path.is_file())]
    assert len(files) > 100
    foreign = re.compile(r"/(?:work|root|home)/|issue ?#|\b(?:TODO|FIXME|XXX)\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path in files
        if path != Path(__file__) and (match := foreign.search(path.read_text(encoding="utf-8")))
    ]
    found += [str(path) for path in PAGES if "/tmp" in path.read_text(encoding="utf-8")]
    assert found == []
