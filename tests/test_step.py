"""The loss and its gradient: chunks add up, graphs give the numbers of the Python."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from pinn.fields.field import Field
from pinn.fields.vector_calculus import laplacian
from pinn.geometry import Rectangle
from pinn.networks import MLP, FourierFeatures
from pinn.objective.chunks import CACHE
from pinn.objective.compilation import Compilation, choose_compilation
from pinn.objective.graphs import FRUITLESS, agree
from pinn.objective.losses import residual_losses
from pinn.objective.objective import Objective
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import Kovasznay, LidDrivenCavity
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation


def made(problem=None, network=None, points=None, dtype=torch.float64, weights=None, **settings):
    """A step on the points of a problem."""
    torch.manual_seed(0)
    problem = problem or Kovasznay()
    solution = Solution(problem, network or MLP(8, 2)).to(dtype)
    solution.strategy = dict.fromkeys(solution.strategy, "taylor")
    weights = dict.fromkeys((r.name for r in problem.residuals), 1.0) | (weights or {})
    told = []
    step = Objective(solution, plan_regions(solution), tell=told.append, **settings)
    step.told, step.given = told, weights
    data = Collocation(points or {"interior": 300, "boundary": 40})
    data.check(problem)
    return step, data.draw(problem, 0, 0, next(solution.parameters()))


def reference(step, points):
    """The weighted loss, its terms and its gradient in one go."""
    terms = residual_losses(step.solution, points, step.plans)
    loss = sum(step.given[name] * term for name, term in terms.items())
    return loss, terms, torch.autograd.grad(loss, step.parameters(), materialize_grads=True)


@pytest.mark.parametrize("mode", ["eager", "recorded"])
@pytest.mark.parametrize("memory", [None, 1e-4])
def test_a_step_is_the_weighted_loss_and_its_gradient(mode, memory):
    step, points = made(mode=mode, memory=memory, weights={"boundary": 7.0, "continuity": 0.0})
    loss, terms = step.loss(points, step.given)
    expected, parts, gradient = reference(step, points)
    assert (len(step.chunks) > 2) == (memory is not None)
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(terms, parts)
    (2 * loss).backward()
    for parameter, slope in zip(step.parameters(), gradient, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * slope)
    assert step.told == []


def test_a_recorded_step_has_the_bits_of_the_python():
    step, points = made(dtype=torch.float32)
    eager = step.gradient(points, step.given)
    step.mode = "recorded"
    recorded = step.gradient(points, step.given)
    assert torch.equal(eager[0], recorded[0])
    assert all(torch.equal(a, b) for a, b in zip(eager[1], recorded[1], strict=True))


def test_a_recording_computes_each_activation_once():
    step, points = made(network=MLP(8, 3), mode="recorded")
    step.loss(points, step.given)
    recordings = step.recorder.recordings.values()
    for held in recordings:
        functions = [line.function for line in held.recording.main.lines]
        assert functions.count(torch.ops.aten.tanh.default) == 3  # the backward pass needs them too
    assert len(recordings) == 2


@pytest.mark.parametrize("mode", ["eager", "recorded"])
def test_chunks_follow_the_mode(mode, monkeypatch):
    step, points = made(network=MLP(32, 2), mode="recorded" if mode == "eager" else "eager")
    monkeypatch.setitem(CACHE, mode, 2**14)
    before = step.loss(points, step.given)[0], len(step.chunks)
    step.mode = mode
    after = step.loss(points, step.given)[0], len(step.chunks)
    torch.testing.assert_close(after[0], before[0])
    assert after[1] > before[1]


@pytest.mark.parametrize("strategy", ["loop", "vmap"])
def test_nested_reverse_mode_is_recorded_too(strategy):
    step, points = made(mode="recorded")
    step.solution.strategy = {"all": strategy}
    losses, gradients = step.gradient(points, step.given)
    _, terms, expected = reference(step, points)
    assert step.told == []
    torch.testing.assert_close(losses, torch.stack(list(terms.values())))
    torch.testing.assert_close(gradients, list(expected))


@pytest.mark.parametrize("mode", ["eager", "recorded"])
def test_new_weights_points_precisions_and_numbers_are_seen(mode):
    step, points = made(mode=mode)
    step.gradient(points, step.given)

    def check(points):
        _, terms, expected = reference(step, points)
        losses, gradients = step.gradient(points, step.given)
        torch.testing.assert_close(losses, torch.stack(list(terms.values())))
        torch.testing.assert_close(gradients, list(expected))

    with torch.no_grad():
        for parameter in step.parameters():
            parameter.mul_(1.5)
    check(points)
    problem = step.solution.problem
    data = Collocation({"interior": 300, "boundary": 40}, seed=5)
    data.check(problem)
    check(data.draw(problem, 0, 0, step.parameters()[0]))
    problem.reynolds = 3.0
    check(points)
    step.solution.float()
    check(data.draw(problem, 0, 0, step.parameters()[0]))


def test_points_changed_in_place_are_seen():
    step, points = made(mode="recorded")
    step.gradient(points, step.given)
    points["interior"].at.add_(0.01)
    _, terms, _ = reference(step, points)
    torch.testing.assert_close(
        step.gradient(points, step.given)[0], torch.stack(list(terms.values()))
    )


def test_buffers_changed_in_place_are_seen():
    step, points = made(mode="recorded", network=MLP(8, 2, embedding=FourierFeatures(4)))
    step.gradient(points, step.given)
    step.solution.networks["all"].embedding.phases.mul_(1.1)
    _, terms, _ = reference(step, points)
    torch.testing.assert_close(
        step.gradient(points, step.given)[0], torch.stack(list(terms.values()))
    )


def test_the_cavity_keeps_nothing_of_other_points():
    step, points = made(LidDrivenCavity(), points={"interior": 200}, mode="recorded")
    step.gradient(points, step.given)
    other = {"interior": points["interior"].__class__(points["interior"].at.flip(0) * 0.9)}
    _, terms, _ = reference(step, other)
    torch.testing.assert_close(
        step.gradient(other, step.given)[0], torch.stack(list(terms.values()))
    )


class Secret(Problem):
    """A residual that reads a tensor which is nobody's argument."""

    coordinates = ("x", "y")
    unknowns = {"u": 1}
    geometry = Rectangle(x=(0, 1), y=(0, 1))

    def __init__(self):
        super().__init__()
        self.secret = torch.ones(3, dtype=torch.float64)

    @on("interior")
    def balance(self, u: Field) -> Field:
        """∇²u − Σ secret."""
        return laplacian(u) - torch.sum(self.secret)


def test_a_tensor_that_a_problem_holds_is_seen_when_it_changes():
    step, points = made(Secret(), points={"interior": 20}, mode="recorded")
    before = step.gradient(points, step.given)[0]
    step.solution.problem.secret *= 2
    changed = step.gradient(points, step.given)[0]
    assert not torch.equal(changed, before)
    step.mode = "eager"
    torch.testing.assert_close(changed, step.gradient(points, step.given)[0])


class Learned(Problem):
    """∇²u = (Σa + Σb) u inside,  u = Σa + Σb on the boundary; two coefficients share a gradient."""

    coordinates = ("x", "y")
    unknowns = {"u": 1}
    geometry = Rectangle(x=(0, 1), y=(0, 1))

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(3))
        self.pair, self.table = (2.0, 3.0), {"k": [1.0]}
        self.register_buffer("nu", torch.tensor(0.5))

    @property
    def level(self):
        return torch.sum(self.a + self.b) + self.pair[1] + self.table["k"][0]

    @on("interior")
    def balance(self, u: Field) -> Field:
        """ν ∇²u − level u."""
        return self.nu * laplacian(u) - self.level * u

    @on("boundary")
    def edge(self, u: Field) -> Field:
        """u − level."""
        return u - self.level


def learned(mode):
    step, points = made(Learned(), points={"interior": 40, "boundary": 16}, mode=mode)
    step.gradient(points, step.given)
    return step, points, step.solution.problem


def check(step, points):
    _, terms, expected = reference(step, points)
    losses, gradients = step.gradient(points, step.given)
    torch.testing.assert_close(losses, torch.stack(list(terms.values())))
    torch.testing.assert_close(gradients, list(expected))
    assert step.told == []


MODES = pytest.mark.parametrize("mode", ["eager", "recorded"])


@MODES
def test_learnable_coefficients_have_their_gradient(mode):
    step, points, _ = learned(mode)
    check(step, points)


@MODES
def test_weights_that_change_are_seen(mode):
    step, points, _ = learned(mode)
    step.given["edge"] = 100.0
    check(step, points)


@MODES
def test_whatever_python_reads_is_seen(mode):
    step, points, problem = learned(mode)
    problem.pair = (2.0, 7.0)
    check(step, points)
    problem.table["k"][0] = 9.0
    check(step, points)
    step.solution.networks["all"].activation = "sin"
    check(step, points)


@MODES
def test_new_buffers_are_seen(mode):
    step, points, problem = learned(mode)
    for _ in range(10):
        problem.nu = problem.nu + 1
        problem.nu = problem.nu + 1
        check(step, points)


@MODES
def test_points_replaced_in_their_dict_are_seen(mode):
    step, points, _ = learned(mode)
    points = dict(points)
    check(step, points)
    points["interior"] = replace(points["interior"], at=points["interior"].at * 0.5)
    check(step, points)


@MODES
def test_layers_frozen_and_thawed(mode):
    step, points, _ = learned(mode)
    weight = step.solution.networks["all"].hidden[0].weight
    weight.requires_grad_(False)
    check(step, points)
    with torch.no_grad():
        weight.mul_(2)
    check(step, points)
    weight.requires_grad_(True)
    check(step, points)


def test_a_problem_that_keeps_changing_stays_with_the_python():
    step, points = made(points={"interior": 8, "boundary": 8}, mode="recorded")
    for k in range(20):
        step.solution.problem.reynolds = 10.0 + k
        step.gradient(points, step.given)
    assert len(step.told) == 1
    assert "what the Python reads is new each time" in step.told[0]
    assert len(step.recorder.recordings) == 2 * FRUITLESS  # of two regions


def test_agreement_is_by_the_norm_of_each_tensor():
    a = [torch.ones(4, dtype=torch.float64), torch.full((2,), 1e-2, dtype=torch.float64)]
    assert agree([a[0] * (1 + 1e-10), a[1]], a)
    assert not agree([a[0] * (1 + 1e-6), a[1]], a)
    assert not agree([a[0], a[1] * (1 + 1e-6)], a)
    assert not agree([a[0], a[1] * float("nan")], a)


@pytest.mark.slow
def test_a_compiled_step_has_the_numbers_of_the_python():
    step, points = made(dtype=torch.float32, points={"interior": 64, "boundary": 16})
    expected = step.gradient(points, step.given)
    step.mode = "compiled"
    found = step.gradient(points, step.given)
    assert step.told == []
    assert len(step.recorder.recordings) == 2  # one per region
    torch.testing.assert_close(found[0], expected[0], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found[1], expected[1], rtol=1e-4, atol=1e-6)
    with torch.no_grad():
        for parameter in step.parameters():
            parameter.mul_(1.1)
    step.gradient(points, step.given)
    assert len(step.recorder.recordings) == 2  # and none anew


# --- the mode


class Timed:
    """A step whose modes take given seconds."""

    def __init__(self, monkeypatch, **seconds):
        self.plans = {"interior": None}
        monkeypatch.setattr(
            "pinn.objective.compilation.seconds", lambda step, mode, *_: seconds[mode]
        )


@pytest.mark.parametrize(
    ("evaluations", "seconds", "mode"),
    [
        (10, {"eager": 0.1}, "eager"),
        (1000, {"eager": 0.1, "recorded": 0.05}, "recorded"),
        (300, {"eager": 0.1, "recorded": 0.12}, "eager"),
        (10000, {"eager": 0.1, "recorded": 0.05}, "compiled"),
    ],
)
def test_auto_takes_what_ends_the_run_first(monkeypatch, evaluations, seconds, mode):
    step = Timed(monkeypatch, **seconds)
    assert choose_compilation(step, print, lambda cost: evaluations * cost, "auto").name == mode


def test_a_mode_asked_for_is_not_measured(monkeypatch):
    step = Timed(monkeypatch)
    given = step, print, lambda cost: 10 * cost
    assert choose_compilation(*given, True) == Compilation("compiled", "asked for")
    assert choose_compilation(*given, False) == Compilation("eager", "compile is off")
