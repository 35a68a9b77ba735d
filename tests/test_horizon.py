"""Where a problem fails over all of its time at once, it is solved for a time that grows."""

import math

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from test_resume_cli import equal
from test_rounds import newest, solve

from pinn import Problem, dt, laplacian, on
from pinn.fields.functions import cos
from pinn.geometry import Interval, Rectangle
from pinn.networks import Patches, Polynomials
from pinn.networks.layout import Layout, even, extended, grid_cuts
from pinn.networks.transfer import Fit, Local, begin, extend, fitted, kept, take
from pinn.training.continuation import Continuation
from pinn.training.horizon import can_grow

TIMED = Interval(x=(-1.0, 1.0), time=(1.0, 3.0))


def built(until, cuts=None, degree=6):
    network = Patches(None, Polynomials(degree), cuts, until)
    network.build(TIMED, 2)
    return network.double()


# --- patches that end early


def test_behind_their_end_patches_keep_the_values_at_it(double_precision):
    network = built(1.5, [[0, 0, 0.2], [1, 1, 1.25]])
    torch.nn.init.normal_(network.output.weight)
    x = torch.linspace(-1, 1, 9)
    at_end = network(torch.stack((x, torch.full_like(x, 1.5)), 1))
    for t in (1.6, 3.0):
        later = torch.stack((x, torch.full_like(x, t)), 1)
        torch.testing.assert_close(network(later), at_end, rtol=1e-6, atol=1e-6)


def test_at_their_end_derivatives_are_those_within(double_precision):
    early, whole = built(1.5), Patches(None, Polynomials(6))
    whole.build(Interval(x=(-1.0, 1.0), time=(1.0, 1.5)), 2)
    torch.nn.init.normal_(early.output.weight)
    whole.double().output.weight.data.copy_(early.output.weight)
    at = torch.tensor([[0.3, 1.5]], requires_grad=True)
    slopes = [torch.autograd.grad(net(at).sum(), at)[0] for net in (early, whole)]
    torch.testing.assert_close(*slopes)


def test_the_recipe_of_patches_has_their_end():
    network = built(None)
    begin(network, Layout((-1.0, 1.0), (1.0, 1.5)), Polynomials(4))
    assert network.until == 1.5
    assert network._spec["init_args"]["until"] == 1.5
    saved, other = kept(network), built(None)
    take(other, saved)
    assert other.until == 1.5
    assert other.layout.upper == (1.0, 1.5)
    begin(network, Layout((-1.0, 1.0), (1.0, 3.0)), Polynomials(4))
    assert network.until is None
    assert "until" not in network._spec["init_args"]


@pytest.mark.parametrize("until", [1.0, 0.0, 3.5, math.nan, "late", True])
def test_a_time_outside_is_refused(until):
    with pytest.raises(ValueError, match=r"Patches until is .*: give a time between 1 and 3"):
        built(until)


def test_without_a_time_patches_do_not_end_early():
    network = Patches(until=0.5)
    with pytest.raises(ValueError, match="the problem has no time: remove it"):
        network.build(Rectangle(), 1)


# --- patches that reach farther


def volumes(layout):
    return [
        math.prod(u - lo for lo, u in zip(lower, upper, strict=True))
        for lower, upper in layout.sides
    ]


def test_what_is_behind_the_end_is_cut_as_the_end_is():
    cuts = [*grid_cuts({0: even(-1, 1, 3), 1: [1.5]}, 2)]
    former = Layout((-1.0, 1.0), (1.0, 2.0), cuts)
    former.halve(0, 0)  # at the start: no reason to cut there what comes behind the end
    former.halve(len(former) - 2, 0)
    at_end = [s for s in former.sides if s[1][1] == 2.0]
    finer = extended(former, 1, 3.0)
    assert math.isclose(sum(volumes(finer)), 4.0)
    before = [[tuple(side) for side in s] for s in finer.sides if s[1][1] <= 2.0]
    assert before == [[tuple(side) for side in s] for s in former.sides]
    behind = sorted((s[0][0], s[1][0]) for s in finer.sides if s[0][1] == 2.0)
    assert behind == sorted((s[0][0], s[1][0]) for s in at_end)


def test_older_checkpoints_fill_the_domain():
    from pinn.networks.transfer import kept, take

    network = built(None)
    saved = {name: part for name, part in kept(network).items() if name != "until"}
    take(network, saved)
    assert network.until is None


@pytest.mark.parametrize("until", [2.0, None])
def test_a_later_end_keeps_the_function(until, double_precision):
    network = built(1.5, [[0, 0, 0.2], [0, 1, 1.25]], degree=16)
    x, t = torch.meshgrid(torch.linspace(-1, 1, 21), torch.linspace(1, 3, 41), indexing="ij")
    at = torch.stack((x.flatten(), t.flatten()), 1)

    def function(at):
        return torch.stack((torch.sin(2 * at[:, 0]), at[:, 0] ** 2), 1)

    for patch in range(len(network.layout)):  # what does not change is continued exactly
        local, ends = Local(network), fitted(network)
        place = local.position(ends, patch)
        fit = Fit(local.functions(place, patch))
        network.output.weight.data[patch] = fit.coefficients(function(place)).T
    extend(network, until, Polynomials(16))
    assert network.until == until
    torch.testing.assert_close(network(at), function(at), rtol=1e-9, atol=1e-9)


# --- which problems


class Phases(Problem):
    """Zero is a solution of the equation, and a minimum that Newton's method does not leave."""

    coordinates, unknowns = ("x", "t"), {"u": 1}
    geometry = Interval(x=(-1.0, 1.0), time=(0.0, 1.0))

    @on("interior")
    def balance(self, u):
        return dt(u) - 0.05 * laplacian(u) - 10 * (u - u**3)

    @on("initial")
    def initial(self, u, x):
        return u - 0.3 * cos(np.pi * x)

    @on("left", "right")
    def sides(self, u):
        return u + 0.3


def test_conditions_at_the_start_let_the_time_grow():
    assert can_grow(Phases.geometry, Phases().regions())
    assert not can_grow(Rectangle(), ["interior", "boundary"])


def test_measured_points_do_not():
    geometry = Phases.geometry.with_points("probe", {"x": [0.5], "t": [0.5]})
    assert not can_grow(geometry, ["interior", "initial", "probe"])


def test_a_failed_start_goes_to_a_shorter_time():
    continuation, decided = Continuation(Phases()), []
    assert continuation.until is None
    assert continuation.after(0.9, fall=0.95) is None
    assert continuation.after(0.9, fall=0.5) is None  # it goes on: the count begins again
    for _ in range(3):
        move = continuation.after(0.9, fall=0.99)
    assert move is not None
    assert move.fresh
    while move is not None:
        continuation.enter(move.value)
        decided.append((continuation.told(move), continuation.until))
        move = continuation.after(0.05)
    assert decided == [
        ("up to t = 0.1, from zero", pytest.approx(0.1)),
        ("up to t = 0.3162", pytest.approx(0.1**0.5)),
        ("up to t = 1", None),
    ]


# --- runs


def by_differences(cells=100, steps=2000):
    """u at t = 1 on a grid, by second differences and the Runge–Kutta method."""
    x = np.linspace(-1, 1, cells + 1)
    h, step, u = x[1] - x[0], 1 / steps, 0.3 * np.cos(np.pi * x)

    def rate(u):
        bent = np.zeros_like(u)
        bent[1:-1] = (u[2:] - 2 * u[1:-1] + u[:-2]) / h**2
        slope = 0.05 * bent + 10 * (u - u**3)
        slope[[0, -1]] = 0.0
        return slope

    for _ in range(steps):
        first = rate(u)
        second = rate(u + step / 2 * first)
        third = rate(u + step / 2 * second)
        u = u + step / 6 * (first + 2 * second + 2 * third + rate(u + step * third))
    return x, u


class Horizons(Callback):
    """Takes down the time at which patches end, after every step."""

    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, module, *_):
        self.seen.append(module.rounds.continuation.until)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose start from zero fails: its solution, its last checkpoint, and what was seen."""
    folder, horizons = tmp_path_factory.mktemp("whole"), Horizons()
    return solve(folder, Phases(), 1e-2, callbacks=[horizons]), newest(folder), horizons.seen


def test_a_time_that_grows_reaches_what_a_start_from_zero_does_not(run):
    solution, checkpoint, _ = run
    decided = [outcome["decision"] for outcome in checkpoint["pinn"]["rounds"]["outcomes"]]
    assert "up to t = 0.1, from zero" in decided
    assert "up to t = 1" in decided
    assert decided[-1] == "done"
    x, exact = by_differences()
    found = solution.at(np.stack((x, np.ones_like(x)), 1))["u"]
    assert np.linalg.norm(found - exact) < 1e-2 * np.linalg.norm(exact)


def test_a_run_that_ends_within_says_how_far_it_came_and_goes_on(run, tmp_path, capsys):
    _, whole, seen = run
    step = max(i for i, until in enumerate(seen) if until is not None)
    early = solve(tmp_path, Phases(), 1e-2, max_steps=step)
    told = capsys.readouterr().out
    assert "not solved beyond t = 0.3162, of 1: give more steps" in told
    with pytest.warns(UserWarning, match=r"1 of 2 points lie behind t = 0.3162, up to which"):
        early.at([[0.2, 0.3], [0.2, 0.7]])
    with pytest.warns(UserWarning, match=r"u.pt2 is right up to t = 0.3162"):
        early.export(tmp_path / "u.pt2")
    solve(tmp_path, Phases(), 1e-2, resume="auto")
    assert equal(newest(tmp_path)["state_dict"], whole["state_dict"])
