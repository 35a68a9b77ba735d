"""Training a solver: its evaluations, phases, resuming, and all that it learns."""

import math
import re

import lightning as L
import pytest
import torch
from equations import Inverse

import pinn.solution.representation
from pinn.algebra.channels import Plan
from pinn.derivatives.evaluate import evaluate
from pinn.networks import MLP
from pinn.objective.objective import Objective
from pinn.optim import Phase
from pinn.problems import Kovasznay, LidDrivenCavity
from pinn.training.solver import Solver

DOUBLE = Phase(5, lr=0.01, dtype="float64")


def solver_of(problem=None, phases=(DOUBLE,), network=None, **settings):
    torch.manual_seed(0)
    network = MLP(8, 2) if network is None else network
    settings = {"compile": False, **settings}  # auto evaluates a few times to decide
    return Solver(problem or Kovasznay(), network, list(phases), **settings)


def weights_of(solver):
    return [p.detach().clone() for p in solver.parameters()]


class Watch(L.Callback):
    """Keeps what `look(trainer, solver)` sees at the end of each step."""

    def __init__(self, look):
        self.look = look
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.seen.append(self.look(trainer, pl_module))


# --- one evaluation per network, region and step


@pytest.fixture
def plans(monkeypatch):
    """The plan of every evaluation that a solution asks for."""
    calls = []

    def counted(f, x, plan, strategy, chunk=None):
        calls.append((plan, strategy))
        return evaluate(f, x, plan, strategy, chunk)

    monkeypatch.setattr(pinn.solution.representation, "evaluate", counted)
    return calls


@pytest.mark.parametrize(
    ("networks", "count"), [(lambda: MLP(8, 2), 1), (lambda: {"u": MLP(8, 2), "p": MLP(8, 2)}, 2)]
)
def test_one_evaluation_per_network_region_and_step(train, plans, networks, count):
    solver = solver_of(network=networks())
    marks = Watch(lambda *_: len(plans))
    plans.clear()
    train(solver, callbacks=[marks])
    regions = 2  # interior and boundary
    assert marks.seen == [count * regions * step for step in range(1, 6)]


def test_validation_evaluates_in_the_same_place(train, plans):
    solver = solver_of()
    train(solver, val_check_interval=5)
    validation = [plan for plan, _ in plans[5 * 2 :]]
    wanted = [plan.networks["all"] for plan in solver.plans.values()]
    assert all(plan in validation for plan in [*wanted, solver.solution.up_to(1)["all"]])
    assert {strategy for _, strategy in plans} == {"taylor"}


def test_walls_cost_a_plain_forward_pass():
    assert solver_of().plans["boundary"].networks["all"] == Plan()


# --- phases


def test_adam_then_lbfgs_in_one_run(train):
    phases = [
        Phase(4, lr=0.01, schedule="cosine"),
        Phase(3, "LBFGS", dtype="float64", options={"max_iter": 5}),
    ]
    solver = solver_of(phases=phases)

    def look(trainer, solver):
        optimizer = trainer.optimizers[0]
        points = solver.collocation.draw(solver.problem, 0, 0, next(solver.parameters()))
        return (
            type(optimizer).__name__,
            next(solver.parameters()).dtype,
            points["interior"].at.dtype,
            optimizer.param_groups[0]["lr"],
        )

    watch = Watch(look)
    trainer = train(solver, callbacks=[watch])
    rates = [0.01 * 0.5 * (1 + math.cos(math.pi * s / 4)) for s in range(4)]
    single = [("Adam", torch.float32, torch.float32, pytest.approx(rate)) for rate in rates]
    assert watch.seen == single + 3 * [("LBFGS", torch.float64, torch.float64, 1.0)]
    assert trainer.global_step == trainer.max_steps == 7
    assert trainer.optimizers[0].state_dict()["state"][0]["n_iter"] == 15
    assert solver.terms["total"].dtype == torch.float64


def test_a_first_phase_in_float64_is_float64_from_the_first_weight(train):
    solver = solver_of(phases=[Phase(2, dtype="float64"), Phase(2)])
    watch = Watch(lambda trainer, solver: solver.terms["total"].dtype)
    train(solver, callbacks=[watch])
    assert watch.seen == [torch.float64] * 2 + [torch.float32] * 2


@pytest.mark.parametrize("resample", [0, 1, 3])
def test_points_change_at_their_steps_and_never_inside_one(train, monkeypatch, resample):
    phases = [Phase(6, "LBFGS", dtype="float64", options={"max_iter": 6})]
    solver = solver_of(phases=phases)
    used = []
    gradient = Objective.gradient

    def spy(objective, points, weights):
        used.append((solver.global_step, points["interior"].at.clone()))
        return gradient(objective, points, weights)

    monkeypatch.setattr(Objective, "gradient", spy)
    train(solver, resample=resample)
    assert len(used) >= 6 * 6
    by_step = {step: [at for s, at in used if s == step] for step in range(6)}
    assert all(torch.equal(at, ats[0]) for ats in by_step.values() for at in ats)
    changes = [s for s in range(1, 6) if not torch.equal(by_step[s][0], by_step[s - 1][0])]
    assert changes == {0: [], 1: [1, 2, 3, 4, 5], 3: [3]}[resample]


def test_fewer_steps_than_the_phases_have(train):
    solver = solver_of(phases=[Phase(4), Phase(4, dtype="float64")])
    assert train(solver, max_steps=5).global_step == 5
    assert solver.schedule.phase == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gradient_clip_val": 1.0}, "gradient_clip_val cannot be used with LBFGS"),
        ({"accumulate_grad_batches": 2}, "accumulate_grad_batches cannot be used with LBFGS"),
        ({"precision": "bf16-mixed"}, "precision is 'bf16-mixed': set dtype in the phases"),
        ({"precision": "64-true"}, "precision is '64-true': set dtype in the phases"),
    ],
)
def test_settings_that_break_a_line_search(train, settings, message):
    phases = [Phase(2), Phase(2, "LBFGS", dtype="float64")]
    with pytest.raises(ValueError, match=re.escape(message)):
        train(solver_of(phases=phases), **settings)


def test_clipping_goes_with_adam(train):
    solver = solver_of(phases=[Phase(3, "SGD", lr=1.0)])
    before = weights_of(solver)
    train(solver, max_steps=1, gradient_clip_val=1e-3)
    moved = sum(
        float((a - b).square().sum()) for a, b in zip(weights_of(solver), before, strict=True)
    )
    assert moved**0.5 == pytest.approx(1e-3, rel=1e-3)


# --- resuming


def test_a_resumed_run_brings_its_strategy(train, tmp_path, monkeypatch):
    solver = solver_of(phases=[Phase(6)])
    first = train(solver, max_steps=3)
    first.save_checkpoint(tmp_path / "three.ckpt")

    def refuse(*args):
        raise AssertionError("chosen a second time")

    monkeypatch.setattr(pinn.training.strategies, "choose", refuse)
    resumed = solver_of(phases=[Phase(6)])
    train(resumed, ckpt_path=tmp_path / "three.ckpt")
    assert resumed.choices == solver.choices
    assert resumed.solution.strategy == {"all": "taylor"}


# --- learnable coefficients, several networks, ansatz


def test_a_coefficient_of_the_problem_is_learnt_and_saved(train, tmp_path):
    phases = [Phase(100, lr=0.02), Phase(15, "LBFGS", dtype="float64")]
    solver = solver_of(Inverse(), phases, weights={"data": 100.0})
    trainer = train(solver, points={"interior": 64})
    assert solver.problem.k.item() == pytest.approx(2.0, rel=0.01)
    trainer.save_checkpoint(tmp_path / "end.ckpt")
    saved = torch.load(tmp_path / "end.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(saved["solution.problem.k"], solver.problem.k)


def test_one_network_per_unknown_trains_all_of_them(train):
    solver = solver_of(network={"u": MLP(8, 2), "p": MLP(6, 1)})
    before = {k: p.clone() for k, p in solver.named_parameters()}
    train(solver)
    still = [k for k, p in solver.named_parameters() if torch.equal(p, before[k])]
    # Only the pressure's constant, which no residual reads.
    assert len(still) == 1
    assert before[still[0]].shape == (1,)
    assert solver.choices.keys() == {"u", "p"}


def test_the_ansatz_holds_while_training(train):
    solver = solver_of(LidDrivenCavity())
    train(solver, points={"interior": 64})
    t = torch.linspace(0.0, 1.0, 11, dtype=torch.float64)
    lid = solver.solution(torch.stack([t, torch.ones_like(t)], -1))["u"]
    torch.testing.assert_close(lid, torch.tensor([[1.0, 0.0]]).double().expand(11, 2))
    floor = solver.solution(torch.stack([t, torch.zeros_like(t)], -1))["u"]
    torch.testing.assert_close(floor, torch.zeros(11, 2).double(), rtol=0, atol=1e-12)
