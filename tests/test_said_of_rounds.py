"""What a run with an accuracy says: rounds in place of phases, and points that it has."""

import contextlib
import io
import re

import pytest

import pinn
from pinn.cli.main import main
from pinn.problems import Poisson


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """The lines of a run."""
    out, folder = io.StringIO(), tmp_path_factory.mktemp("runs")
    with contextlib.redirect_stdout(out):
        solution = pinn.fit(Poisson(), accuracy=1e-6, folder=folder, logger=False)
    return out.getvalue().splitlines(), solution


def starting(lines, word):
    return [line for line in lines if line.startswith(word)]


def test_a_run_says_what_it_goes_through(said):
    lines, _ = said
    assert starting(lines, "accuracy") == ["accuracy  1e-06, by the solution's own estimate"]
    (line,) = starting(lines, "rounds")
    assert re.search(r"from 1 of degree 8 on; at most 1000 steps$", line)
    assert not starting(lines, "phases")
    assert not starting(lines, "steps ")
    assert not [line for line in lines if "recording" in line]


def test_the_points_are_those_of_the_first_round(said):
    lines, _ = said
    (inner,) = (line for line in starting(lines, "plan") if "interior" in line)
    # 1.3 points along an axis per degree of a polynomial, and one more: (11 + 1)² for degree 8.
    assert inner.endswith("; 144 points at first")
    assert starting(lines, "problem")[0].endswith("45 parameters at first")


def test_the_result_has_its_estimate(said):
    lines, _ = said
    (line,) = starting(lines, "estimated relative error of u ")
    assert float(line.split()[-1]) < 1e-6
    last = starting(lines, "round ")[-1]
    assert last.endswith("; done")
    assert "1 patches" not in "\n".join(lines)


def test_a_check_promises_no_number_of_steps(here, capsys):
    text = "model:\n  problem: {class_path: Poisson}\n  accuracy: 1.0e-6\n"
    (here / "own.yaml").write_text(text, encoding="utf-8")
    assert main(["--config", "own.yaml", "--check"]) == 0
    printed = capsys.readouterr().out
    assert "estimate  none: how many rounds follow is found by the residual" in printed
    assert "1000 steps in" not in printed
