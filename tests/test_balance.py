"""Weights that follow the training, against autograd and explicit Jacobians in float64."""

import re

import lightning as L
import pytest
import torch
from equations import Stokes, solution_of
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_resume import Copies, equal

from pinn.callbacks import Scalars
from pinn.checkpoints.file import read
from pinn.cli.main import main
from pinn.networks import MLP
from pinn.objective.losses import residual_losses, residual_values
from pinn.objective.objective import Objective
from pinn.optim import Phase
from pinn.problems import Kovasznay
from pinn.solution.plans import plan_regions
from pinn.training import loss_weights as balance
from pinn.training.collocation import Collocation
from pinn.training.loss_weights import KEPT, Balance
from pinn.training.solver import Solver

GIVEN = {"momentum": 1.0, "continuity": 0.5, "sides": 10.0}
POINTS = {"interior": 12, "left": 5, "right": 7}
METHODS = pytest.mark.parametrize("method", ["gradient_norm", "ntk"])


class Weighted(Stokes):
    """Vectors, a scalar, one residual on two faces, and an importance."""

    def importance(self, region, at):
        return None if region == "right" else 1 + at[:, 1]


def made(points=None, dtype=torch.float64, strategy="taylor", mode="eager"):
    """A step, its points, and two sets of weights of the network."""
    solution = solution_of(Weighted()).to(dtype)
    solution.strategy = {"all": strategy}
    step = Objective(solution, plan_regions(solution), mode=mode)
    data = Collocation(points or POINTS)
    data.check(solution.problem)
    return step, data.draw(solution.problem, 0, 0, next(solution.parameters()))


def gradient_sizes(step, points):
    """‖∂L_k/∂θ‖ by autograd."""
    losses = residual_losses(step.solution, points, step.plans)
    found = {}
    for name, loss in losses.items():
        slopes = torch.autograd.grad(
            loss, step.parameters(), retain_graph=True, materialize_grads=True
        )
        found[name] = float(torch.cat([s.reshape(-1) for s in slopes]).norm())
    return found


def kernel_sizes(step, points):
    """(1/N_k) Σ w |∂r_k/∂θ|², row by row."""
    values = residual_values(step.solution, points, step.plans)
    found = {}
    for name, by_region in values.items():
        rows, number = 0.0, sum(len(value) for value in by_region.values())
        for region, value in by_region.items():
            weight = step.solution.problem.importance(region, points[region].at)
            for n, components in enumerate(value.reshape(len(value), -1)):
                for component in components:
                    slopes = torch.autograd.grad(
                        component, step.parameters(), retain_graph=True, materialize_grads=True
                    )
                    square = sum(float(s.square().sum()) for s in slopes)
                    rows += square * (1.0 if weight is None else float(weight[n]))
        found[name] = rows / number
    return found


SIZES = {"gradient_norm": gradient_sizes, "ntk": kernel_sizes}


def followed(method, step, points, now=0, **settings):
    balanced = Balance(method, GIVEN)
    balanced.follow(step, points, now, 0, False, **settings)
    return balanced


@METHODS
@pytest.mark.parametrize(("mode", "strategy"), [("eager", "loop"), ("recorded", "taylor")])
def test_the_first_update_makes_the_sizes_equal(method, mode, strategy):
    step, points = made(mode=mode, strategy=strategy)
    before = step.gradient(points, GIVEN)[0]
    balanced = followed(method, step, points)
    sizes = SIZES[method](step, points)
    whole = sum(sizes.values())
    expected = {name: GIVEN[name] * whole / size for name, size in sizes.items()}
    assert balanced.weights == pytest.approx(expected, rel=1e-10)
    level = [balanced.factors[name] * size for name, size in sizes.items()]
    assert level == pytest.approx([level[0]] * 3, rel=1e-10)
    found = step.gradient(points, balanced.weights)[0]
    torch.testing.assert_close(found, before)  # the losses are what they were


@METHODS
def test_later_updates_are_averaged(method):
    step, points = made()
    balanced = followed(method, step, points)
    first = dict(balanced.factors)
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.mul_(1.3)
    sizes = SIZES[method](step, points)
    balanced.follow(step, points, balance.PERIOD, 0, False)
    whole = sum(sizes.values())
    expected = {n: KEPT * first[n] + (1 - KEPT) * whole / size for n, size in sizes.items()}
    assert balanced.factors == pytest.approx(expected, rel=1e-10)
    assert balanced.factors != pytest.approx(first, rel=1e-3)


def test_a_trace_at_many_points_is_taken_at_some():
    step, points = made({"interior": 240, "left": 120, "right": 120})
    balanced = followed("ntk", step, points)
    sizes = {region: len(p.at) for region, p in balanced.system.points.items()}
    assert sizes == {"interior": 128, "left": 64, "right": 64}
    kept = {tuple(at) for at in points["interior"].at.tolist()}
    assert {tuple(at) for at in balanced.system.points["interior"].at.tolist()} < kept
    every, few = kernel_sizes(step, points), kernel_sizes(step, balanced.system.points)
    factors = [GIVEN[n] * sum(few.values()) / few[n] for n in few]
    assert list(balanced.weights.values()) == pytest.approx(factors, rel=1e-10)
    assert few == pytest.approx(every, rel=0.1)


def test_single_precision_has_its_jacobian_point_by_point():
    step, points = made(dtype=torch.float32)
    double, same = made()
    balanced = followed("ntk", step, points)
    assert balanced.system.point_by_point
    assert balanced.weights == pytest.approx(followed("ntk", double, same).weights, rel=1e-4)


@METHODS
def test_a_loss_without_a_gradient_does_not_weigh_infinitely(method):
    class Dull(Weighted):
        def importance(self, region, at):
            return None if region == "interior" else 0 * at[:, 1]

    solution = solution_of(Dull())
    solution.strategy = {"all": "taylor"}
    step = Objective(solution, plan_regions(solution))
    points = made()[1]
    factors = followed(method, step, points).factors
    assert 1e6 <= factors["sides"] <= 3e6
    assert factors["momentum"] < 10


def test_updates_come_at_the_beginning_of_phases_and_then_every_so_often(monkeypatch):
    monkeypatch.setattr(balance, "PERIOD", 3)
    step, points = made()
    asked = []
    monkeypatch.setattr(
        balance, "gradient_norms", lambda *_: asked.append(now) or torch.ones(3).double()
    )
    balanced = Balance("gradient_norm", GIVEN)
    for now in (0, 0, 1, 2, 3, 3, 4):
        balanced.follow(step, points, now, 0, False)
    for now in (5, 5, 5, 6, 7, 8, 9):
        balanced.follow(step, points, now, 5, True)
    for now in (10, 11, 12, 13):
        balanced.follow(step, points, now, 10, False)
    assert asked == [0, 3, 5, 10, 13]


def test_fixed_weights_stay_as_they_are():
    step, points = made()
    balanced = followed("fixed", step, points)
    assert balanced.weights == GIVEN
    assert balanced.factors == {}


# --- in a run


def solver_of(phases, method, weights=None, compile="auto"):
    torch.manual_seed(0)
    return Solver(Kovasznay(), MLP(8, 2), phases, weights, compile=compile, weighting=method)


class Weights(L.Callback):
    """λ_k after every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, solver, *args):
        self.seen.append(dict(solver.balance.weights))


PHASES = [
    Phase(7, lr=0.01),
    Phase(4, "LBFGS", options={"max_iter": 3}),
    Phase(3, "LevenbergMarquardt"),
]


@METHODS
def test_a_phase_with_one_loss_keeps_the_weights_of_its_beginning(train, monkeypatch, method):
    monkeypatch.setattr(balance, "PERIOD", 3)
    weights = Weights()
    solver = solver_of(PHASES, method, {"boundary": 10.0})
    train(solver, callbacks=[weights])
    changed = [n for n in range(1, 14) if weights.seen[n] != weights.seen[n - 1]]
    assert changed == [3, 6, 7, 11]
    assert solver.system.weights == solver.balance.weights
    ratio = solver.balance.weights["boundary"] / solver.balance.factors["boundary"]
    assert ratio == pytest.approx(10.0)


@METHODS
def test_resumed_at_any_step_the_run_ends_the_same(train, tmp_path, monkeypatch, method):
    monkeypatch.setattr(balance, "PERIOD", 3)
    whole = solver_of(PHASES, method, compile=False)
    train(whole, callbacks=[Copies(every=1)])
    for step in (1, 5, 9, 12):
        part = solver_of(PHASES, method, compile=False)
        train(part, ckpt_path=tmp_path / "checkpoints" / f"step-{step}.ckpt")
        assert equal(part.state_dict(), whole.state_dict()), step
        assert part.balance.weights == whole.balance.weights


def test_another_method_begins_anew(train, tmp_path):
    train(solver_of([Phase(4)], "ntk"), callbacks=[Copies(every=1)])
    path = tmp_path / "checkpoints" / "step-3.ckpt"
    saved = read(path)["pinn"]
    assert saved["weighting"] == "ntk"
    assert saved["weights"] == dict.fromkeys(("momentum", "continuity", "boundary"), 1.0)
    assert min(saved["weighting_state"]["factors"].values()) > 1
    part = solver_of([Phase(4)], "fixed")
    train(part, ckpt_path=path)
    assert part.balance.weights == saved["weights"]


def test_the_weights_have_curves(train, tmp_path):
    logger = L.pytorch.loggers.TensorBoardLogger(tmp_path)
    solver = solver_of([Phase(4)], "gradient_norm")
    train(solver, logger=logger, callbacks=[Scalars()], log_every_n_steps=2)
    events = EventAccumulator(logger.log_dir).Reload()
    for name, weight in solver.balance.weights.items():
        curve = events.Scalars(f"weight/{name}")
        assert [event.step for event in curve] == [2, 4]
        assert curve[-1].value == pytest.approx(weight, rel=1e-6)


# --- mistakes


@pytest.mark.parametrize(
    ("method", "weights", "message"),
    [
        ("ntkk", {}, "model.weighting 'ntkk' is unknown: did you mean 'ntk'? known: fixed"),
        (
            "ntk",
            {"continuity": 0.0, "boundary": 0.0},
            "model.weighting is ntk, but 'momentum' is the only residual with a weight: "
            "remove model.weighting",
        ),
    ],
)
def test_mistakes(method, weights, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        solver_of([Phase(1)], method, weights)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--model.weighting", "gradient_nrom"], "did you mean 'gradient_norm'?"),
        (
            ["--model.weighting", "ntk", "--model.weights.boundary", "0"],
            "is the only residual with",
        ),
        (["--data.adapt", "true"], "data.adapt is true, but data.resample is 0: set it to"),
    ],
)
def test_mistakes_on_the_command_line_are_one_line(folder, capsys, argv, message):
    assert main(["--config", "small", *argv]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_the_command_line_announces_resumes_and_judges(folder, capsys):
    argv = ["--config", "small", "--model.weighting", "ntk", "--data.adapt", "true"]
    argv += ["--data.resample", "2"]
    assert main([*argv, "--trainer.max_steps", "3"]) == 0
    said = capsys.readouterr().out
    assert "weights   by ntk, every 25 steps" in said
    assert "points    where the residual is large, drawn every 2 steps" in said
    (run,) = (folder / "runs" / "small").iterdir()
    kept = run / "checkpoints" / "step-0000003.ckpt"
    assert main([*argv, "--resume", "auto"]) == 0
    assert "resuming with" not in capsys.readouterr().out
    assert main(["validate", "--ckpt_path", str(kept)]) == 0
