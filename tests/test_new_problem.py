"""The page on a problem of one's own: its files run, its lines are what is printed."""

import contextlib
import importlib
import io
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest
import torch

from pinn import MLP
from pinn.cli.main import main
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution

ROOT = Path(__file__).parents[1]
TRAIN = ROOT / "train.py"
PAGE = (ROOT / "docs" / "new_problem.md").read_text(encoding="utf-8")


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
    return {
        name: float(value) for name, value in re.findall(r"error of (\w+)\s*│\s*(\S+)", printed)
    }


@pytest.fixture(scope="module")
def followed(tmp_path_factory):
    """The page followed to the letter: the folder, and what each command printed."""
    folder = tmp_path_factory.mktemp("page")
    for title, body in titled(PAGE).items():
        if title.endswith((".py", ".yaml")):
            (folder / title).write_text(body, encoding="utf-8")
    printed = []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "path", [str(folder), *sys.path])
        for _, command in blocks(PAGE, "bash"):
            program, script, *rest = shlex.split(command)
            assert program == "python"
            patch.setattr(sys, "argv", [str(TRAIN) if script == "train.py" else script, *rest])
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                if script == "train.py":
                    assert main(rest) == 0
                else:
                    runpy.run_path(script, run_name="__main__")
            assert err.getvalue() == ""
            printed.append(out.getvalue())
    sys.modules.pop("my_problem", None)
    return folder, printed


def test_twenty_lines_are_enough():
    assert len(titled(PAGE)["my_problem.py"].splitlines()) <= 20


def test_the_page_trains_what_it_says(followed):
    _, (trained, _) = followed
    ((_, quoted),) = blocks(PAGE, "text")
    # Without what is said while something takes seconds.
    lines = [line for line in trained.splitlines() if not line.endswith("…")]
    printed = lines[: len(quoted.splitlines())]
    for told, line in zip(quoted.splitlines(), printed, strict=True):
        assert line == told
    assert set(errors(trained)) == {"u", "v"}
    assert max(errors(trained).values()) < 1e-4
    assert "below 0.01 %" in PAGE


def test_the_loaded_checkpoint_has_the_derivatives_the_page_shows(followed):
    _, (_, looked) = followed
    value, dt, grad, error = numbers(looked)
    promised = re.search(r"# u = ([\d.]+), v = ([\d.]+)", PAGE)
    assert value == pytest.approx([float(v) for v in promised.groups()], abs=6e-4)
    # w = 1/(4 (1 + e^s)), s = (4y − 4x − t)/32ν, is u = 3/4 − w and v = 3/4 + w.
    slope = torch.sigmoid(torch.tensor(1 / 1.6, dtype=torch.float64))
    slope = float(0.25 * slope * (1 - slope) / 1.6)
    assert dt == pytest.approx([-slope, slope], abs=1e-3)
    assert grad == pytest.approx([s * 4 * slope for s in (-1, 1, 1, -1)], abs=1e-3)
    assert error == pytest.approx([0, 0], abs=1e-4)


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
    # Only what is said while the program loads.
    assert [line for line in captured.out.splitlines() if not line.endswith("…")] == []
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
