"""Points where the residual is large: their density, their seeds, and a resumed run's."""

import re
from functools import partial

import pytest
import torch
from test_resume import FIRST_ORDER, SECOND_ORDER, Copies, equal, solver_of

from pinn.checkpoints.file import read
from pinn.fields.field import Field
from pinn.geometry import Interval
from pinn.networks import MLP
from pinn.objective.objective import Objective
from pinn.optim import Phase
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.adaptive_points import CANDIDATES, choose, density
from pinn.training.collocation import Collocation

DOUBLE = torch.zeros((), dtype=torch.float64)
PROBES = {"x": [0.1, 0.5, 0.7], "t": [0.2, 0.2, 0.9], "seen": [1.0, 2.0, 3.0]}


class Known(Problem):
    """Residuals that are functions of the coordinates: |r| = x, and (3 x, 4 x) beside it."""

    coordinates = ("x", "t")
    unknowns = {"u": 1}
    columns = ("seen",)
    geometry = Interval(x=(0, 1), time=(0, 1)).with_points("probes", PROBES)

    @on("interior")
    def slope(self, u: Field, x: Field) -> Field:
        """0 u + x."""
        return 0 * u + x

    @on("interior")
    def pair(self, u: Field, x: Field) -> Field:
        """x (3, 4)."""
        return (0 * u + x) * (3.0, 4.0)

    @on("probes")
    def measured(self, u: Field, seen: Field) -> Field:
        """u − seen."""
        return u - seen

    def importance(self, region, at):
        return 1 + at[:, 1]


def error(region, points, **weights):
    solution = Solution(Known(), MLP(4, 1)).double()
    given = {"slope": 1.0, "pair": 1.0, "measured": 1.0} | weights
    return Objective(solution, plan_regions(solution)).error(region, points, given)


def collocation(adapt=True, points=None, **settings):
    data = Collocation(points or {"interior": 50}, resample=10, adapt=adapt, **settings)
    data.check(Known())
    data.error = error
    return data


def drawn(data, step=0, rank=0, like=DOUBLE):
    return data.draw(Known(), step, rank, like)["interior"].at


# --- the density


def test_the_density_is_half_the_error_and_half_uniform():
    error = torch.tensor([0.0, 1.0, 3.0, 4.0], dtype=torch.float64)
    assert density(error).tolist() == pytest.approx([0.125, 0.1875, 0.3125, 0.375])
    squares = torch.tensor([0.0, 1.0, 9.0, 16.0], dtype=torch.float64)
    expected = squares / squares.mean() + 2
    found = density(error, power=2.0, floor=2.0)
    torch.testing.assert_close(found, expected / expected.sum())


@pytest.mark.parametrize("error", [[0.0, 0.0], [float("nan"), float("inf")]])
def test_without_an_error_all_points_are_alike(error):
    assert density(torch.tensor(error, dtype=torch.float64)).tolist() == [0.5, 0.5]


def test_the_error_is_that_of_all_residuals_weighted():
    points = Known.geometry.sample("interior", 5000, seed=3)
    x, t = points.at.unbind(1)
    found = error("interior", points, slope=9.0, pair=0.25)
    torch.testing.assert_close(found, ((1 + t) * (9 + 0.25 * 25)).sqrt() * x)


def test_chosen_points_follow_the_density():
    candidates = Known.geometry.sample("interior", 20_000, seed=1)
    sizes = error("interior", candidates)
    p = density(sizes)
    bins = (candidates.at[:, 0] * 10).long()
    counts, n = torch.zeros(10, dtype=torch.float64), 100
    for seed in range(200):
        which = choose(sizes, n, seed)
        assert len(set(which.tolist())) == n
        counts += torch.bincount(bins[which], minlength=10)
    expected = torch.zeros(10, dtype=torch.float64).index_add_(0, bins, p) * counts.sum()
    alike = torch.full((10,), 0.1, dtype=torch.float64) * counts.sum()
    # χ² with 9 degrees of freedom exceeds 27.9 once in a thousand times.
    assert ((counts - expected) ** 2 / expected).sum() < 27.9
    assert ((counts - alike) ** 2 / alike).sum() > 1000


# --- the points


def test_the_first_points_are_those_without_adaptation():
    assert torch.equal(drawn(collocation()), drawn(collocation(adapt=False)))
    later = [drawn(collocation(adapt=a, points={"interior": 400}), step=10) for a in (0, 1)]
    assert [at.shape for at in later] == [(400, 2)] * 2
    assert later[1][:, 0].mean() - 0.03 > 0.51 > later[0][:, 0].mean()


def test_the_same_place_in_a_run_has_the_same_points():
    here, there = collocation(), collocation()
    torch.manual_seed(1)
    drawn(there, step=33)
    assert torch.equal(drawn(here, step=10), drawn(there, step=19))
    assert drawn(here, step=12) is drawn(here, step=17)


def test_seed_step_and_rank_all_count():
    found = [
        drawn(collocation(), step=10),
        drawn(collocation(), step=20),
        drawn(collocation(), step=10, rank=1),
        drawn(collocation(seed=1), step=10),
    ]
    for i, a in enumerate(found):
        for b in found[:i]:
            assert not set(a[:, 0].tolist()) & set(b[:, 0].tolist())


def test_a_draw_is_made_once_whatever_the_precision():
    data = collocation()
    double = drawn(data, step=10)
    data.error = partial(error, slope=0.0, pair=0.0)  # would choose others now
    single = drawn(data, step=15, like=torch.zeros(()))
    assert torch.equal(single, double.float())
    assert not torch.equal(drawn(data, step=20), double)


@pytest.mark.parametrize("count", [3, 1, 200])
def test_measured_points_are_all_used(count):
    data = collocation(points={"interior": 4, "probes": count})
    points = data.draw(Known(), 10, 0, DOUBLE)["probes"]
    assert points.columns["seen"].tolist() == PROBES["seen"]
    assert points.at[:, 0].tolist() == PROBES["x"]


def test_held_out_points_stay_uniform():
    plain = collocation(adapt=False).draw_held_out(Known(), DOUBLE)["interior"].at
    assert torch.equal(collocation().draw_held_out(Known(), DOUBLE)["interior"].at, plain)


def test_faces_keep_their_normals():
    solver = solver_of([Phase(1)])
    data = Collocation({"interior": 8, "boundary": 16}, resample=1, adapt=True)
    solver.attach(data)
    points = data.draw(solver.problem, 3, 0, next(solver.parameters()))["boundary"]
    geometry = solver.problem.geometry
    for at, normal in zip(points.at, points.normal, strict=True):
        (axis,) = normal.nonzero()[0].tolist()
        wall = (geometry.upper if normal[axis] > 0 else geometry.lower)[axis]
        assert float(at[axis]) == pytest.approx(wall)


# --- in a run


@pytest.fixture
def adapted(train, make_trainer):
    """A function that trains with adapted points."""

    def run(solver, resample, points=None, ckpt_path=None, **settings):
        points = points or {"interior": 16, "boundary": 16}
        data = Collocation(points, resample=resample, adapt=True, held_out=32)
        make_trainer(**settings).fit(solver, datamodule=data, ckpt_path=ckpt_path)
        return data

    return run


@pytest.mark.parametrize(
    ("phases", "resample", "compile", "steps"),
    [
        (FIRST_ORDER, 1, False, (4,)),
        (FIRST_ORDER, 3, "auto", (2, 3, 9)),
        (SECOND_ORDER, 5, False, (4, 6)),
    ],
)
def test_resumed_at_any_step_the_run_ends_the_same(
    train, adapted, tmp_path, phases, resample, compile, steps
):
    whole = solver_of(phases, compile=compile)
    adapted(whole, resample, callbacks=[Copies(every=1)])
    plain = solver_of(phases, compile=compile)
    train(plain, resample=resample)
    for step in steps:
        part = solver_of(phases, compile=compile)
        adapted(part, resample, ckpt_path=tmp_path / "checkpoints" / f"step-{step}.ckpt")
        assert equal(part.state_dict(), whole.state_dict()), step
    assert not equal(plain.state_dict(), whole.state_dict())


def test_the_checkpoint_says_which_points(adapted, tmp_path):
    data = adapted(solver_of([Phase(6)]), 2, callbacks=[Copies(every=1)])
    kept = [read(tmp_path / "checkpoints" / f"step-{step}.ckpt") for step in (1, 3, 5)]
    assert kept[0]["Collocation"] == {"processes": 1}
    assert [file["Collocation"]["draw"] for file in kept[1:]] == [1, 2]
    chosen = kept[2]["Collocation"]["chosen"][0]
    assert chosen.keys() == {"interior", "boundary"}
    assert all(which.max() < 16 * CANDIDATES for which in chosen.values())
    assert kept[2]["pinn"]["data"] == data.settings()


def test_other_settings_choose_anew(adapted, tmp_path):
    adapted(solver_of([Phase(6)]), 2, callbacks=[Copies(every=1)])
    path = tmp_path / "checkpoints" / "step-3.ckpt"
    points = {"interior": 20, "boundary": 16}
    data = adapted(solver_of([Phase(6)]), 2, points, ckpt_path=path)
    like = next(solver_of([Phase(1)]).parameters())
    assert data.draw(solver_of([Phase(1)]).problem, 5, 0, like)["interior"].at.shape == (20, 2)


# --- mistakes


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"adapt": True},
            "data.adapt is true, but data.resample is 0: set it to the steps between draws",
        ),
        (
            {"adapt": True, "resample": 5, "method": "gauss"},
            "data.resample is 5, but gauss has one set of points",
        ),
    ],
)
def test_mistakes(settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Collocation(**settings)
