"""The LightningModule: its loss, its derivatives, and what it may and may not read."""

import math
import re
from functools import partial

import lightning as L
import pytest
import torch

import pinn.solution.representation
from pinn.algebra.jet import Jet
from pinn.derivatives.evaluate import STRATEGIES, evaluate
from pinn.geometry import Rectangle
from pinn.networks import MLP
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import Kovasznay, LidDrivenCavity, Poisson
from pinn.training.collocation import Collocation
from pinn.training.solver import Solver

DOUBLE = Phase(5, lr=0.01, dtype="float64")


def solver_of(problem=None, phases=(DOUBLE,), network=None, **settings):
    torch.manual_seed(0)
    network = MLP(8, 2) if network is None else network
    return Solver(problem or Kovasznay(), network, list(phases), **settings)


def weights_of(solver):
    return [p.detach().clone() for p in solver.parameters()]


# --- the loss


class Weighted(Problem):
    """Two residuals on three faces and inside, with an importance that is not constant."""

    coordinates = ("x", "y")
    unknowns = {"u": ("u", "v")}
    geometry = Rectangle()

    @on("interior", "left")
    def shift(self, u, x):
        return u[:, 0] - x

    @on("right")
    def both(self, u):
        return u - (1.0, 2.0)

    def importance(self, region, at):
        return at[:, 1] if region == "interior" else None


def test_the_loss_is_the_weighted_sum_of_mean_squares():
    solver = solver_of(Weighted(), weights={"shift": 3.0, "both": 0.5}).double()
    solver.attach(Collocation({"interior": 7, "left": 5, "right": 4}))
    solver.trainer = L.Trainer(logger=False, accelerator="cpu", enable_progress_bar=False)
    loss = solver.training_step(None, 0)

    draw = partial(solver.collocation.draw, solver.problem, 0, 0)
    at = {name: p.at for name, p in draw(next(solver.parameters())).items()}
    u = {name: solver.solution.networks["all"](x) for name, x in at.items()}
    inside = at["interior"][:, 1] * (u["interior"][:, 0] - at["interior"][:, 0]) ** 2
    left = (u["left"][:, 0] - at["left"][:, 0]) ** 2
    shift = (inside.sum() + left.sum()) / (7 + 5)
    both = ((u["right"][:, 0] - 1) ** 2 + (u["right"][:, 1] - 2) ** 2).mean()
    torch.testing.assert_close(loss, 3 * shift + 0.5 * both, rtol=1e-14, atol=0)
    torch.testing.assert_close(solver.terms["shift"], shift.detach(), rtol=1e-14, atol=0)
    assert set(solver.terms) == {"shift", "both", "total"}
    assert not solver.terms["shift"].requires_grad


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ({"momentun": 1.0}, "'momentun': did you mean 'momentum'"),
        ({"momentum": -1.0}, "weight of 'momentum' is -1.0: expected a finite number"),
        ({"momentum": math.nan}, "weight of 'momentum' is nan"),
        ({"momentum": math.inf}, "weight of 'momentum' is inf"),
    ],
)
def test_weights_are_checked(weights, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        solver_of(weights=weights)


def test_a_weight_of_zero_switches_a_residual_off(train):
    alone = solver_of(Poisson(), weights={"boundary": 0.0})
    train(alone, points={"interior": 16, "boundary": 8})
    other = solver_of(Poisson(), weights={"boundary": 0.0})
    train(other, points={"interior": 16, "boundary": 40})
    assert all(torch.equal(a, b) for a, b in zip(weights_of(alone), weights_of(other), strict=True))


# --- derivatives come from one place


def test_the_divergence_that_is_reported_comes_from_the_evaluation(train, monkeypatch):
    solver = solver_of()
    train(solver)
    assert solver.assess()["divergence/rms"] > 1e-3

    def flat(f, x, plan, strategy, chunk=None):
        jet = evaluate(f, x, plan, strategy, chunk)
        return Jet(jet.value, dict.fromkeys(jet.streams), jet.lead)

    monkeypatch.setattr(pinn.solution.representation, "evaluate", flat)
    assert solver.assess()["divergence/rms"] == 0


@pytest.mark.parametrize("case", [Kovasznay, LidDrivenCavity])
def test_strategies_give_the_same_weights(train, case):
    found = {}
    for strategy in STRATEGIES:
        solver = solver_of(case(), derivatives=strategy)
        train(solver)
        assert solver.solution.strategy == {"all": strategy}
        found[strategy] = weights_of(solver)
    for strategy in ("vmap", "loop"):
        for a, b in zip(found["taylor"], found[strategy], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("strategy", ["auto", *STRATEGIES])
def test_derivatives_in_validation(train, make_trainer, strategy):
    solver = solver_of(derivatives=strategy)
    train(solver, val_check_interval=5)
    in_fit = dict(solver.scores)
    assert in_fit["residual/momentum_rms"] > 0
    solver.scores = {}
    make_trainer(inference_mode=True).validate(solver, datamodule=solver.collocation, verbose=False)
    assert solver.scores == in_fit


def test_a_solver_that_only_validates_settles_its_strategy(make_trainer):
    solver = solver_of()
    data = Collocation(held_out=32)
    make_trainer().validate(solver, datamodule=data, verbose=False)
    assert solver.solution.strategy == {"all": "taylor"}
    assert math.isfinite(solver.scores["error/u"])


def test_unknown_strategy_and_no_phases():
    with pytest.raises(ValueError, match="unknown strategy 'tailor': did you mean 'taylor'"):
        solver_of(derivatives="tailor")
    with pytest.raises(ValueError, match="phases is empty: give at least one"):
        solver_of(phases=())


# --- training never sees the answer


class Unjudged(Kovasznay):
    """Kovasznay flow without anything to judge it by."""

    def exact(self, at):
        return None


def test_training_is_blind_to_the_reference(train, monkeypatch):
    phases = [Phase(6, lr=0.01), Phase(3, "LBFGS", dtype="float64", options={"max_iter": 4})]
    judged = solver_of(Kovasznay(), phases)
    train(judged, resample=2, val_check_interval=4)
    assert "error/u" in judged.scores

    blind = solver_of(Unjudged(), phases)
    train(blind, resample=2, val_check_interval=4)
    assert not [tag for tag in blind.scores if tag.startswith("error/")]

    guarded = solver_of(Kovasznay(), phases)

    def refuse(*args):
        raise AssertionError("training read the reference")

    guarded.reference = None
    for name in ("exact", "reference"):
        monkeypatch.setattr(Kovasznay, name, refuse)
    train(guarded, resample=2, val_check_interval=4)
    for found in (blind, guarded):
        pairs = zip(weights_of(judged), weights_of(found), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
