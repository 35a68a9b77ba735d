"""Least squares of patches is that of dense networks: residuals, J, steps and intervals."""

import copy

import pytest
import torch
from equations import Unsteady
from torch import nn

import pinn
from pinn.geometry import Rectangle
from pinn.networks import Patches, Polynomials, Ridges
from pinn.objective import sites
from pinn.objective.least_squares import LeastSquares
from pinn.objective.local_least_squares import LocalLeastSquares, system_of
from pinn.objective.losses import residual_losses
from pinn.objective.objective import Objective
from pinn.optim import LevenbergMarquardt
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.problems import Kovasznay, KovasznayViscosity, LidDrivenCavity, Poisson
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution
from pinn.training.collocation import Collocation
from pinn.training.covariance import estimates


class Ring(Problem):
    """∇²u − k u = x,  periodic in x, with a flux through the top."""

    coordinates, unknowns = ("x", "y"), {"u": 1}
    geometry = Rectangle(x=(0, 1), y=(0, 2))

    def __init__(self):
        super().__init__()
        self.k = nn.Parameter(torch.tensor(0.7))

    around = pinn.periodic("left", "right")

    @on("interior")
    def inside(self, u, x):
        return pinn.laplacian(u) - self.k * u * u - x

    @on("top")
    def flux(self, u, x):
        return pinn.dn(u) - x

    @on("bottom")
    def floor(self, u):
        return u - 0.3


class Spread(Ring):
    """A residual that reads the mean of all points."""

    @on("interior")
    def level(self, u):
        return u - pinn.mean(u)


def patches(grid=None, degree=4):
    return Patches(grid or {"x": 3, "y": 2}, Polynomials(degree))


def apart():
    return {"u": patches(degree=3), "p": patches({"y": 3}, 4)}


CASES = {
    "poisson": (Poisson, patches),
    "velocity and pressure": (Kovasznay, patches),
    "a network per unknown": (Kovasznay, apart),
    "stream function": (LidDrivenCavity, patches),
    "periodic": (Ring, patches),
    "measured data": (lambda: KovasznayViscosity(samples=5), patches),
    "in time": (Unsteady, lambda: patches({"x": 2, "t": 2}, 2)),
    "ridges": (Poisson, lambda: Patches({"x": 2, "y": 2}, Ridges(9))),
    "one patch": (Poisson, lambda: patches({"x": 1})),
}


def systems(name, points=300):
    """The system by blocks and the dense one, of equal solutions at some θ."""
    problem, network = CASES[name]
    torch.manual_seed(0)
    solution = Solution(problem(), network()).double()
    solution.strategy = dict.fromkeys(solution.networks, "taylor")
    outer = solution.outer_parameters()
    with torch.no_grad():
        for key, parameter in solution.named_parameters():
            parameter.requires_grad_(key in outer)
            if parameter.ndim:
                parameter.copy_(0.1 * torch.randn(parameter.shape, dtype=torch.float64))
    made = []
    for kind, own in ((LocalLeastSquares, solution), (LeastSquares, copy.deepcopy(solution))):
        own.problem.eval()
        data = Collocation(dict.fromkeys(own.problem.regions(), points // 4))
        data.points["interior"] = points
        data.check(own.problem)
        system = kind(Objective(own, plan_regions(own)))
        like = next(own.parameters())
        weights = {r.name: 0.5 + k for k, r in enumerate(own.problem.residuals)}
        system.place(data.draw(own.problem, 0, 0, like), weights)
        made.append(system)
    return made


def matrix(system):
    """J (M, P) and r (M,)."""
    parts = [(J, r.reshape(-1)) for _, J, r in system.jacobians()]
    return [torch.cat(each) for each in zip(*parts, strict=True)]


@pytest.mark.parametrize("name", CASES)
def test_residuals_and_normal_equations_are_those_of_a_dense_network(name):
    local, dense = systems(name)
    assert local.is_local
    (J, r), (expected, s) = matrix(local), matrix(dense)
    assert J.shape == expected.shape
    torch.testing.assert_close(r.sort().values, s.sort().values, rtol=1e-11, atol=1e-12)
    torch.testing.assert_close(local.residuals(), r, rtol=1e-12, atol=1e-13)
    gram, right = expected.T @ expected, expected.T @ s
    torch.testing.assert_close(J.T @ J, gram, rtol=1e-11, atol=1e-13 * float(gram.abs().max()))
    torch.testing.assert_close(J.T @ r, right, rtol=1e-11, atol=1e-12 * float(right.abs().max()))
    own = dense.objective
    losses = residual_losses(own.solution, dense.points, own.plans)
    expected = torch.stack([losses[name] for name in local.objective.order])
    torch.testing.assert_close(local.losses(), expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("name", CASES)
def test_groups_know_how_many_rows_and_columns_they_have(name):
    local, _ = systems(name)
    sizes = local.sizes()
    assert sum(sizes) == sum(p.numel() for p in local.parameters())
    groups = list(local.grouped())
    assert [seen for seen, _, _ in groups] == list(local.groups())
    assert tuple(len(J) for _, J, _ in groups) == local.row_counts()
    for seen, J, r in groups:
        assert J.shape == (len(r), sum(sizes[block] for block in seen))


@pytest.mark.usefixtures("same_scale")
@pytest.mark.parametrize("name", ["a network per unknown", "stream function", "measured data"])
def test_levenberg_marquardt_goes_the_way_of_the_dense_one(name):
    losses = []
    for system in systems(name):
        optimizer = LevenbergMarquardt(system.parameters())
        optimizer.system = system
        losses.append([optimizer.step() for _ in range(4)] + [optimizer.loss])
    assert losses[0] == pytest.approx(losses[1], rel=1e-8)
    assert losses[0][-1] < 0.1 * losses[0][0]


def test_features_that_are_not_kept_are_the_same(monkeypatch):
    local, _ = systems("velocity and pressure")
    kept = list(local.grouped())
    monkeypatch.setattr("pinn.objective.local_least_squares.SHARE", 0.0)
    local.lay_out()
    assert not any(site.features for placed in local.placed.values() for site in placed.sites)
    for (_, J, r), (_, K, s) in zip(kept, local.grouped(), strict=True):
        torch.testing.assert_close(J, K, rtol=1e-13, atol=1e-13)
        torch.testing.assert_close(r, s, rtol=1e-12, atol=1e-13)


def test_sums_are_made_once_for_the_same_numbers(monkeypatch):
    system, _ = systems("velocity and pressure")
    made, made_by = [], sites.product_sums
    monkeypatch.setattr(sites, "product_sums", lambda *given: made.append(1) or made_by(*given))
    first = [system.outputs(placed) for placed in system.placed.values()]
    count = len(made)
    again = [system.outputs(placed) for placed in system.placed.values()]
    assert count >= len(system.networks)
    assert len(made) == count
    for new, old in zip(again, first, strict=True):
        assert all(map(torch.equal, new, old))


@pytest.mark.parametrize("of_windows", [False, True])
def test_kept_sums_follow_every_number_of_the_network(of_windows):
    system, _ = systems("velocity and pressure")
    placed = system.placed["interior"]
    before = system.outputs(placed)
    for network in system.networks.values():
        changed = network.windows.centre if of_windows else network.output.weight
        changed.data[0] += 0.01  # which no counter of autograd sees
    after = system.outputs(placed)
    assert all(not torch.equal(new, old) for new, old in zip(after, before, strict=True))
    for site in placed.sites:
        site.last = None
    assert all(map(torch.equal, system.outputs(placed), after))


def test_who_writes_into_an_output_changes_no_other():
    system, _ = systems("poisson")
    placed = system.placed["interior"]
    first = [u.clone() for u in system.outputs(placed)]
    for site in placed.sites:
        site.last = None
    for _ in range(2):  # what is made anew, and what was kept
        for u in system.outputs(placed):
            u.zero_()
    assert all(map(torch.equal, system.outputs(placed), first))


def test_many_points_that_see_the_same_patches_are_several_groups(monkeypatch):
    local, _ = systems("velocity and pressure")
    whole = [local.spread(seen, J) for seen, J, _ in local.grouped()]
    r, counts = local.residuals(), local.row_counts()
    largest = max(counts) // 9
    monkeypatch.setattr("pinn.objective.sites.LARGEST", largest)
    local.lay_out()
    assert len(local.row_counts()) > len(counts)
    assert max(max(placed.sizes) for placed in local.placed.values()) <= largest
    assert torch.equal(local.residuals(), r)
    assert torch.equal(
        torch.cat([local.spread(s, J) for s, J, _ in local.grouped()]), torch.cat(whole)
    )


def test_a_wrong_jacobian_is_refused(monkeypatch):
    local, _ = systems("poisson")
    local.check()
    plain = LocalLeastSquares.block
    monkeypatch.setattr(LocalLeastSquares, "block", lambda *args: plain(*args) * (1 + 1e-4))
    with pytest.raises(RuntimeError, match=r"the Jacobian of '.*' is not that of reverse mode"):
        local.lay_out()


def test_wrong_features_are_refused(monkeypatch):
    local, _ = systems("poisson")
    plain = LocalLeastSquares.features_at

    def shifted(self, *args):
        return [features * 1.001 for features in plain(self, *args)]

    monkeypatch.setattr(LocalLeastSquares, "features_at", shifted)
    with pytest.raises(RuntimeError, match="not that of reverse mode"):
        local.lay_out()


def test_what_is_not_local_gets_the_dense_system():
    trained = Solution(Poisson(), Patches({"x": 2}, Ridges(5, trained=True))).double()
    whole = Solution(Spread(), patches()).double()
    for solution in (trained, whole):
        solution.strategy = {"all": "taylor"}
        system = system_of(Objective(solution, plan_regions(solution)), record=False)
        assert type(system) is LeastSquares


@pytest.mark.usefixtures("same_scale")
def test_the_interval_of_a_coefficient_is_the_dense_one():
    intervals = []
    for system in systems("measured data"):
        optimizer = LevenbergMarquardt(system.parameters())
        optimizer.system = system
        for _ in range(12):
            optimizer.step()
        (estimate,) = estimates(system).values()
        intervals.append((estimate.value, estimate.deviation, estimate.freedom))
    assert intervals[0] == pytest.approx(intervals[1], rel=1e-4)
