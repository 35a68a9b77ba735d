"""A number that is not finite: which residual, where, by what, and in which line."""

import re

import pytest
import torch
from small import fitted
from torch import nn

from pinn import MLP, Interval, Phase, Problem, Rectangle, exp, laplacian, log, on, partial, sqrt
from pinn.callbacks import NonFiniteError
from pinn.fields.integrals import mean
from pinn.objective.nonfinite import diagnose
from pinn.problems import Poisson
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution

ADAM, LBFGS, LM = Phase(3, lr=1e-3), Phase(2, "LBFGS"), Phase(2, "LevenbergMarquardt")


class Axis(Problem):
    """One residual on the axis x = 0, beside one that is always right."""

    coordinates, unknowns, geometry = ("x", "y"), {"u": 1}, Rectangle()
    formula = staticmethod(lambda u, x: u)

    @on("interior")
    def fine(self, u):
        return laplacian(u) - 1.0

    @on("left")
    def faulty(self, u, x):
        return self.formula(u, x)


def problem_of(formula, cls=Axis):
    return type("Case", (cls,), {"formula": staticmethod(formula), "__module__": __name__})()


CASES = {
    "1/x on the axis": (lambda u, x: laplacian(u) - 1 / x, "-inf", "a division by zero"),
    "0/0": (lambda u, x: 0 * u / x, "nan", "division by zero|0/0"),
    "a negative logarithm": (lambda u, x: log(u - 9), "nan", "the logarithm of -"),
    "a logarithm of zero": (lambda u, x: u * log(x), "(nan|inf|-inf)", "the logarithm of 0"),
    "a negative root": (lambda u, x: sqrt(u - 9), "nan", "the square root of -"),
    "a power of zero": (lambda u, x: u + x**-1.5, "inf", "0 to the power -1.5|division by zero"),
    "an exponential": (lambda u, x: exp(9e3 + u), "inf", "exp of 9.*more than float.. can hold"),
    "the derivative of a root": (
        lambda u, x: partial(sqrt((x * u) ** 2), "x"),
        "nan",
        "sqrt of 0 has a value but no finite derivative",
    ),
}
GRADIENTS = {
    "the root of a speed": (lambda u, x: torch.sqrt((x * u) ** 2) - 1, "sqrt"),
    "a fractional power": (lambda u, x: (x * u) ** 0.5 - 1, "a power"),
}


def line(problem, phase, tmp_path, **settings):
    """What the run says."""
    settings = {"points": {"interior": 16, "left": 8}, **settings}
    with pytest.raises(NonFiniteError) as caught:
        fitted(problem, [phase], tmp_path, **settings)
    text = str(caught.value)
    assert "\n" not in text
    return text


# Each formula once, each optimiser at several; the first of them by all.
NAMED = [(case, phase) for case, phase in zip(CASES, [ADAM, LBFGS, LM] * 3, strict=False)]
NAMED += [(next(iter(CASES)), phase) for phase in (LBFGS, LM)]


@pytest.mark.parametrize(("case", "phase"), NAMED)
def test_the_residual_the_point_and_the_operation_are_named(case, phase, tmp_path, capsys):
    formula, value, cause = CASES[case]
    text = line(problem_of(formula), phase, tmp_path)
    assert re.search(rf"residual 'faulty' is {value} at x = 0, y = [\d.]+ on 'left': ", text), text
    assert re.search(cause, text), text
    assert "test_nonfinite.py, line" in text
    assert "fine" not in text
    said = capsys.readouterr().out
    assert "differ from those of the Python" not in said
    assert "depends on the other points" not in said


@pytest.mark.parametrize("phase", [ADAM, LBFGS, LM], ids=["Adam", "LBFGS", "LM"])
@pytest.mark.parametrize("case", GRADIENTS)
def test_a_gradient_alone_is_named_too(case, phase, tmp_path):
    formula, operation = GRADIENTS[case]
    text = line(problem_of(formula), phase, tmp_path)
    words = r"the gradient of residual 'faulty' is not finite at x = 0, y = [\d.]+ on 'left': "
    assert re.search(words + operation + " has a value but no finite derivative", text), text
    assert "1e-12" in text


@pytest.mark.parametrize("compile", [False, "auto"])
def test_a_jacobian_that_becomes_infinite_is_no_end_of_the_descent(compile, tmp_path, capsys):
    class Steep(Problem):
        """A root that is steep without bound where the first step leads."""

        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

        def __init__(self):
            super().__init__()
            self.k = nn.Parameter(torch.tensor(1.0))

        @on("interior")
        def down(self, u):
            return 0 * u + 1e3 * (self.k + 2.0)

        @on("interior")
        def root(self, u):
            constant = self.k.detach()
            return 0 * u + torch.sqrt(self.k - constant + constant.clamp_min(0.0))

    text = line(Steep(), LM, tmp_path, points={"interior": 8}, compile=compile)
    assert re.search(r"the gradient of residual 'root' is not finite at x = ", text), text
    assert "sqrt has a value but no finite derivative (test_nonfinite.py, line" in text
    assert "depends on the other points" not in capsys.readouterr().out


def test_a_jacobian_whose_squares_are_not_finite_is_said_at_the_first_step(tmp_path):
    class Huge(Problem):
        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

        def __init__(self):
            super().__init__()
            self.k = nn.Parameter(torch.tensor(0.0))

        @on("interior")
        def equation(self, u):
            return u - 1.0 + 1e200 * self.k

    text = line(Huge(), LM, tmp_path, points={"interior": 8})
    assert "the Jacobian of the residuals, or the square of an entry, is not finite" in text


@pytest.mark.parametrize("compile", [False, "auto"])
@pytest.mark.parametrize("phase", [Phase(30, "SGD", lr=10.0), LBFGS, LM], ids=str)
def test_a_fault_that_comes_later_is_found_at_its_step(phase, compile, tmp_path):
    class Later(Problem):
        """Fine at first; the coefficient leaves the domain of the logarithm as it is trained."""

        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

        def __init__(self):
            super().__init__()
            self.k = nn.Parameter(torch.tensor(0.5))

        @on("interior")
        def down(self, u):
            return 0 * u + 1e3 * (self.k + 2.0)

        @on("interior")
        def logarithm(self, u):
            return log(0 * u + self.k)

    problem = Later()
    settings = {"points": {"interior": 8}, "compile": compile}
    if phase is LM:  # which goes back from a step that is no number
        fitted(problem, [phase], tmp_path, **settings)
        assert problem.k > 0
        return
    if phase is LBFGS:
        with torch.no_grad():
            problem.k.fill_(1e-3)
    text = line(problem, phase, tmp_path, **settings)
    assert re.search(r"at step \d+ \((SGD|LBFGS)\): residual 'logarithm' is nan at x = ", text), (
        text
    )
    assert "the logarithm of -" in text
    assert "down" not in text


def test_one_line_of_the_command_line(tmp_path, monkeypatch, capsys):
    from pinn.cli.main import main

    monkeypatch.chdir(tmp_path)
    (tmp_path / "axis_case.py").write_text(
        "from pinn import *\n\n"
        "class Axis(Problem):\n"
        "    coordinates, unknowns, geometry = ('x', 'y'), {'u': 1}, Rectangle()\n\n"
        "    @on('interior', 'left')\n"
        "    def eq(self, u, x):\n"
        "        return laplacian(u) - 1 / x\n"
    )
    (tmp_path / "axis.yaml").write_text(
        "model: {problem: {class_path: axis_case.Axis}, network: {class_path: MLP,"
        " init_args: {width: 8, depth: 1}}}\n"
        "data: {points: {interior: 16, left: 8}}\ntrainer: {accelerator: cpu}\n"
    )
    assert main(["--config", "axis.yaml", "--allow_import", "axis_case"]) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "residual 'eq' is -inf at x = 0, y = " in err
    assert "axis_case.py, line 8: return laplacian(u) - 1 / x" in err


def test_held_out_points_are_named_and_the_run_goes_on(tmp_path, capsys):
    class Narrow(Problem):
        """No number on a strip that four points of the training miss."""

        coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

        @on("interior")
        def eq(self, u, x):
            return u + 0 * log((x - 0.123) ** 2 - 1e-6)

    fitted(Narrow(), [Phase(1, "LevenbergMarquardt")], tmp_path, MLP(4, 1), points={"interior": 4})
    said = " ".join(capsys.readouterr().out.split())
    assert "at points that training does not see, residual 'eq' is nan at x = 0.12" in said
    assert "the logarithm of -" in said


@pytest.mark.parametrize("weight", [float("nan"), -1.0, float("inf")])
def test_importance_is_named(weight, tmp_path):
    problem = problem_of(lambda u, x: u)
    problem.importance = lambda region, at: weight if region == "left" else None
    text = line(problem, ADAM, tmp_path)
    assert f"importance is {weight} at x = 0, y = " in text
    assert "on 'left': it must be finite and not negative" in text


def test_an_ansatz_is_named_with_its_line(tmp_path):
    class Hard(Axis):
        def ansatz(self, raw, at):
            return {"u": raw["u"] / at[:, 0]}

    hard = type("Hard", (Hard,), {"formula": staticmethod(lambda u, x: u)})()
    text = line(hard, LM, tmp_path)
    assert "residual 'faulty' is" in text
    assert 'return {"u": raw["u"] / at[:, 0]}' in text


def test_what_is_finite_is_not_complained_of(tmp_path, capsys):
    problem = problem_of(lambda u, x: u)
    fitted(problem, [ADAM, LBFGS, LM], tmp_path, points={"interior": 16, "left": 8})
    assert "warning" not in capsys.readouterr().out


class MeanOfOne(Poisson):
    @on("interior")
    def gauge(self, u, at):
        return mean(u)


@pytest.mark.parametrize("rank", range(2))
def test_a_process_without_points_of_its_own_is_not_complained_of(rank):
    """Two processes divide one Gauss point: the second one has a point of weight 0 alone."""
    solution = Solution(MeanOfOne(), MLP(8, 1))
    whole = {
        region: solution.problem.geometry.sample(region, count, "gauss", 0)
        for region, count in (("interior", 1), ("boundary", 8))
    }
    points = {region: at.part(rank, 2).to(torch.ones(1)) for region, at in whole.items()}
    assert diagnose(solution, plan_regions(solution), points) is None
