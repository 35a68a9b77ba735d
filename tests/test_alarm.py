"""The alarm of a low loss with a wrong solution, and what it looks at."""

import math
from itertools import pairwise
from typing import ClassVar

import lightning as L
import pytest
import torch
from numpy.polynomial.legendre import leggauss

from pinn.assessment.low_loss import alarm, loss_of_zero, mass_equations
from pinn.assessment.mass_balance import LINE, mass_balance
from pinn.assessment.scores import assess, bulk, tags
from pinn.callbacks import LowLossWarning
from pinn.fields.field import partial
from pinn.fields.functions import vector
from pinn.fields.vector_calculus import advect, div, grad, laplacian
from pinn.geometry import Rectangle
from pinn.networks import MLP
from pinn.objective.losses import residual_losses
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import (
    Beltrami3D,
    Continuity,
    Kovasznay,
    LidDrivenCavity,
    Poisson,
    TaylorGreen2D,
)
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver

FEATURES = {"width": 150, "depth": 1, "spread": 2.0}


def solution_of(problem, network=None):
    torch.manual_seed(0)
    return Solution(problem, network or MLP(12, 2)).double()


# --- mass over boxes


class Swelling(Kovasznay):
    """u = (x, 2y),  ∇·u = 3."""

    def ansatz(self, raw, at):
        return {"u": vector(at[:, 0], 2 * at[:, 1]) + 0 * raw["u"], "p": raw["p"]}


class Sheared(Kovasznay):
    """u = (x³ + y², 0),  ∇·u = 3x²."""

    def ansatz(self, raw, at):
        u = vector(at[:, 0] ** 3 + at[:, 1] ** 2, 0.0 * at[:, 0])
        return {"u": u + 0 * raw["u"], "p": raw["p"]}


class Blown(Beltrami3D):
    """u = (x, y, z) + (0, t, xy)."""

    def ansatz(self, raw, at):
        x, y, z, t = (at[:, i] for i in range(4))
        return {"u": vector(x, y + t, z + x * y) + 0 * raw["u"], "p": raw["p"]}


def test_the_mass_balance_of_fields_by_hand():
    assert mass_balance(solution_of(Swelling()), ("u", "v")) == pytest.approx(3, rel=1e-12)
    assert mass_balance(solution_of(Blown()), ("u", "v", "w")) == pytest.approx(3, rel=1e-12)
    # Over the quarters (a, b) of −½ … 1 the mean of 3x² is (b³ − a³)/(b − a).
    ends = [-0.5 + 1.5 * k / 4 for k in range(5)]
    means = [(b**3 - a**3) / (b - a) for a, b in pairwise(ends)]
    wanted = math.sqrt(sum(m * m for m in means) / 4)
    assert mass_balance(solution_of(Sheared()), ("u", "v")) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("problem", [Kovasznay, TaylorGreen2D])
def test_the_mass_balance_is_the_mean_of_the_divergence(problem):
    solution = solution_of(problem())
    geometry = problem().geometry
    dimensions = len(geometry.lower)
    boxes, _ = LINE[dimensions]
    at, weight = (torch.from_numpy(v) for v in leggauss(5))
    unit = ((torch.arange(boxes).unsqueeze(-1) + 0.5 * (1 + at)) / boxes).flatten()
    axes = [a + (b - a) * unit for a, b in zip(geometry.lower, geometry.upper, strict=True)]
    points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, dimensions)
    fields, _ = solution.fields(points, solution.up_to(1))
    means = div(fields["u"]).value.detach().reshape([boxes, 5] * dimensions)
    for axis in reversed(range(dimensions)):
        means = (means.movedim(2 * axis + 1, -1) * (0.5 * weight)).sum(-1)
    assert mass_balance(solution, ("u", "v")) == pytest.approx(
        float(means.square().mean().sqrt()), rel=1e-4
    )
    assert float(means.abs().max()) > 1e-2


def test_an_incompressible_flow_is_in_balance():
    class Exact(Kovasznay):
        def ansatz(self, raw, at):
            return {"u": self.velocity(at) + 0 * raw["u"], "p": raw["p"]}

    assert mass_balance(solution_of(Exact()), ("u", "v")) < 1e-12


# --- whose mass is balanced


class Channel(Problem):
    """The README's, with an unknown name for the velocity."""

    coordinates = ("x", "y")
    unknowns: ClassVar = {"w": ("w1", "w2"), "p": 1}
    geometry = Rectangle(x=(0, 2), y=(0, 1))

    @on("interior")
    def momentum(self, w, p):
        return advect(w, w) + grad(p) - 0.1 * laplacian(w)

    @on("interior")
    def incompressible(self, w):
        return -div(w)

    @on("boundary")
    def no_slip(self, w):
        return w


class Scalars(Channel):
    """The components of the velocity one by one, and something else that looks alike."""

    unknowns: ClassVar = {"a": 1, "b": 1, "p": 1}
    momentum = no_slip = None

    @on("interior")
    def incompressible(self, a, b):
        return partial(b, "x") + partial(a, "y")

    @on("interior")
    def other(self, a, p):
        return partial(a, "x") + partial(p, "y") + p


def test_a_problem_of_ones_own_has_its_mass_balanced():
    solution = solution_of(Channel())
    assert solution.velocities == {("w1", "w2"): "incompressible"}
    scores = scores_of(solution)
    assert scores["check/mass_balance"] == mass_balance(solution, ("w1", "w2")) > 1e-3
    assert {"divergence/rms", "check/mass_balance"} <= scores.keys()
    assert set(tags(solution, None)) == {*scores, "check/held_out_ratio"}
    equations = mass_equations(solution)
    assert equations == {"check/mass_balance": "incompressible"}
    leaking = {"check/mass_balance": 0.1, "check/held_out_ratio": 1.0}
    terms = {"total": torch.tensor(1e-3), "incompressible": torch.tensor(1e-3)}
    assert "mass is lost" in alarm(leaking, terms, 1.0, equations)


def test_a_velocity_of_scalars_has_its_mass_balanced():
    solution = solution_of(Scalars())
    assert solution.velocities == {("b", "a"): "incompressible"}
    assert {"divergence/rms", "check/mass_balance"} <= scores_of(solution).keys()


def test_whose_mass_is_not_balanced():
    assert solution_of(Poisson()).velocities == solution_of(Continuity()).velocities == {}
    assert mass_equations(solution_of(LidDrivenCavity())) == {"check/mass_balance": ""}

    class Wrong(Channel):
        divergence_free = ("p",)

    with pytest.raises(ValueError, match="one component per coordinate of space"):
        Wrong()


def scores_of(solution):
    points = Collocation(held_out=40).draw_held_out(solution.problem, next(solution.parameters()))
    return assess(solution, None, points, plan_regions(solution))


# --- the scores


def test_the_largest_twentieth_is_left_out():
    squares = torch.arange(1.0, 101.0)
    parts = [squares[:50].sqrt(), squares[50:].sqrt()]
    assert bulk(parts) == pytest.approx(float(squares[:95].mean()))
    assert bulk([torch.tensor([2.0])]) == 4


def test_the_ratio_is_of_weighted_losses():
    problem = Kovasznay()
    solution = solution_of(problem)
    points = Collocation(held_out=40).draw_held_out(problem, next(solution.parameters()))
    plans = plan_regions(solution)
    weights = {"momentum": 2.0, "continuity": 1.0, "boundary": 10.0}
    terms = {"total": torch.tensor(0.5)}
    found = assess(solution, None, points, plans, weights, terms)["check/held_out_ratio"]
    losses = residual_losses(solution, points, plans)
    whole = sum(weights[name] * loss.item() for name, loss in losses.items())
    assert 0.3 * whole < 0.5 * found < whole
    heavier = weights | {"boundary": 1e6}
    more = assess(solution, None, points, plans, heavier, terms)["check/held_out_ratio"]
    assert more == pytest.approx(1e5 * found, rel=0.5)
    assert "check/held_out_ratio" not in assess(solution, None, points, plans)


def test_the_loss_of_zero_networks():
    problem = Poisson()
    solution = solution_of(problem, MLP(6, 1, spread=2.0))
    before = [p.clone() for p in solution.parameters()]
    points = Collocation(held_out=4000).draw_held_out(problem, before[0])
    found = loss_of_zero(solution, points, plan_regions(solution), {"balance": 2.0, "boundary": 5})
    # f = 2π² sin πx sin πy has the mean square π⁴, and the boundary value is zero.
    assert found == pytest.approx(2 * math.pi**4, rel=1e-2)
    assert all(torch.equal(a, b) for a, b in zip(before, solution.parameters(), strict=True))


# --- when it speaks


def judged(loss, ratio, leak=0.0, continuity=None, zero=1.0):
    scores = {"check/held_out_ratio": ratio, "check/mass_balance": leak}
    terms = {"total": torch.tensor(loss)}
    if continuity is not None:
        terms["continuity"] = torch.tensor(continuity)
    equations = {"check/mass_balance": "" if continuity is None else "continuity"}
    return alarm(scores, terms, zero, equations)


def test_when_the_alarm_speaks():
    assert "2.0e-04 between them" in judged(1e-6, 200.0)
    assert judged(1e-6, 200.0).count("\n") == 0
    assert judged(1e-6, 5.0) == ""  # close enough
    assert judged(1e-9, 200.0) == ""  # too small to matter
    assert judged(2e-2, 200.0) == ""  # nothing is trained yet
    assert judged(1e-6, 200.0, zero=1e-5) == ""
    assert judged(math.nan, math.nan) == ""
    assert "1.0e-01 by the flux through boxes" in judged(1e-3, 1.0, 0.1, 1e-3)
    assert judged(1e-3, 1.0, 0.05, 1e-3) == ""
    assert judged(1e-3, 1.0, 0.1) == ""  # the unknowns may be incompressible by construction
    assert judged(1e-9, 1.0, 1e-4, 1e-10) == ""


class Errors(L.Callback):
    """Reads the error after the run."""

    def on_train_end(self, trainer, pl_module):
        self.error = pl_module.assess()["error/u"]


def train_kovasznay(train, points, phases=10, **settings):
    torch.manual_seed(0)
    phases = [Phase(phases, "LevenbergMarquardt", train="output")]
    solver = Solver(Kovasznay(), MLP(**FEATURES), phases, {"boundary": 10.0}, compile=False)
    errors, spoken = Errors(), LowLossWarning()
    settings = {"val_check_interval": 2, "callbacks": [spoken, errors], **settings}
    trainer = train(solver, points, method="gauss", **settings)
    return solver, trainer, errors.error


FEW = {"interior": 36, "boundary": 16}


def test_too_few_points_for_the_features(train, capsys):
    solver, _, error = train_kovasznay(train, FEW)
    lines = [li for li in capsys.readouterr().out.splitlines() if li.startswith("warning")]
    assert len(lines) == 1
    assert "data.points" in lines[0]
    assert float(solver.terms["total"]) < 1e-10
    assert error > 0.05


def test_enough_points_for_the_features(train, capsys):
    solver, _, error = train_kovasznay(train, {"interior": 400, "boundary": 80})
    assert "warning" not in capsys.readouterr().out
    assert float(solver.terms["total"]) < 1e-2
    assert error < 1e-3


def test_a_resumed_run_does_not_warn_again(train, tmp_path, capsys):
    _, trainer, _ = train_kovasznay(train, FEW, max_steps=8)
    path = tmp_path / "at.ckpt"
    trainer.save_checkpoint(path)
    assert capsys.readouterr().out.count("warning") == 1
    train_kovasznay(train, FEW, ckpt_path=path)
    assert "warning" not in capsys.readouterr().out
