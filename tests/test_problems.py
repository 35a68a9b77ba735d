"""Every problem that comes with the package: exact solutions solve it, and nothing else does."""

import math

import pytest
import torch

from pinn import problems
from pinn.base.recipe import build, spec_of
from pinn.fields.field import Field, coordinate_field, partial
from pinn.fields.functions import atan, sqrt, vector
from pinn.fields.vector_calculus import div, grad, laplacian
from pinn.geometry.translation import translation
from pinn.networks import MLP
from pinn.objective.losses import residual_losses
from pinn.physics.problem import Problem
from pinn.problems import (
    Advection,
    AdvectionDiffusion,
    AdvectionDiffusion2D,
    AllenCahn,
    Beltrami3D,
    Burgers,
    ClampedPlate,
    Continuity,
    Couette,
    Kovasznay,
    KovasznayViscosity,
    LidDrivenCavity,
    LidDrivenCube,
    NaturalConvection,
    Poiseuille,
    Poisson,
    RandomFlow,
    TaylorGreen2D,
)
from pinn.problems.cavity import A, C, D, corner_flow, parabolic_corner_flow
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution

VARIANTS = [
    LidDrivenCavity(reynolds=400.0, walls="soft"),
    Kovasznay(reynolds=1.0),
    Kovasznay(reynolds=2000.0, gauge="pin"),
    Continuity("compressing"),
    Poisson(wavenumber=3),
    TaylorGreen2D(reynolds=1.0),
    TaylorGreen2D(mean_velocity=(1.0, 0.5), sides="residual"),
    RandomFlow(reynolds=1.0, draw=3),
    Beltrami3D(reynolds=20.0, a=math.pi / 4, d=math.pi / 2),
    Advection(speed=1.0),
    AdvectionDiffusion2D(diffusion=0.1),
    Burgers(viscosity=0.1),
    Poiseuille(reynolds=100.0, length=5.0),
    Couette(gradient=-2.0),
    KovasznayViscosity(32.0, samples=20, noise=0.0, guess=1 / 32),
]
GIVEN = (problems.NavierStokes, problems.UnsteadyNavierStokes)  # which state no domain
# A new problem is tested by standing in the package's `__init__`.
PROBLEMS = {
    name: cls
    for name, cls in vars(problems).items()
    if isinstance(cls, type) and issubclass(cls, Problem) and cls not in GIVEN
}
CASES = [problem() for problem in PROBLEMS.values()] + VARIANTS
# With noise, or another coefficient, the exact solution is that of another problem.
SOLVED = [
    problem
    for problem in CASES
    if type(problem).exact is not Problem.exact
    and spec_of(problem)["init_args"].get("noise", 0) == 0
]


def label(problem: Problem) -> str:
    arguments = spec_of(problem)["init_args"].values()
    return "-".join([type(problem).__name__, *map(str, arguments)])


every = pytest.mark.parametrize("problem", CASES, ids=label)
solved = pytest.mark.parametrize("problem", SOLVED, ids=label)


def residuals(problem, unknowns_at, n=200):
    """(residual, its values, the largest size of an unknown or derivative) on each region."""
    for region in problem.regions():
        points = problem.geometry.sample(region, n, seed=3)
        highest = 4 if isinstance(problem, ClampedPlate) else 2
        at = coordinate_field(points.at, problem.geometry.coordinates, highest)
        unknowns = unknowns_at(at)
        streams = [s for f in unknowns.values() for s in (f.value, *f.streams.values())]
        size = max(1.0, *(float(s.abs().max()) for s in streams if s is not None))
        for residual in problem.residuals:
            if region in residual.regions:
                partners = None
                if residual.partner:
                    shift = translation(problem.geometry, region, residual.partner)
                    there = points.at + torch.tensor(shift, dtype=torch.float64)
                    partners = unknowns_at(coordinate_field(there, problem.geometry.coordinates))
                yield residual, problem.evaluate(residual, unknowns, at, points, partners), size


def wave(problem, unknown, at):
    """A smooth field, neither constant nor of period 2π in any coordinate, like the unknown."""
    phase = sum(0.9 * (j + 1) * at[:, j] for j in range(at.shape[-1])) + 0.3
    components = [(phase + k).sin() for k in range(len(problem.components(unknown)))]
    return components[0] if problem.is_scalar(unknown) else torch.stack(components, dim=-1)


def small_solution(problem):
    torch.manual_seed(0)
    return Solution(problem, MLP(width=8, depth=2)).double()


def sampled(problem, n=40):
    return {region: problem.geometry.sample(region, n) for region in problem.regions()}


@solved
def test_the_exact_solution_solves_every_residual(problem):
    for residual, value, size in residuals(problem, problem.exact):
        assert value.abs().max() < 1e-12 * size, residual.name


@solved
def test_a_perturbed_solution_solves_none(problem):
    for unknown in problem.unknowns:

        def perturbed(at, unknown=unknown):
            exact = problem.exact(at)
            return exact | {unknown: exact[unknown] + 1e-3 * wave(problem, unknown, at)}

        reacting = {
            r.name for r, value, _ in residuals(problem, perturbed) if value.abs().max() > 1e-6
        }
        assert reacting == {r.name for r in problem.residuals if unknown in r.arguments}


@solved
def test_the_exact_solution_has_the_shape_of_the_unknowns(problem):
    at = coordinate_field(problem.geometry.grid(3), problem.geometry.coordinates)
    exact = problem.exact(at)
    assert set(exact) == set(problem.unknowns)
    for unknown, field in exact.items():
        assert isinstance(field, Field)
        components = () if problem.is_scalar(unknown) else (len(problem.components(unknown)),)
        assert field.shape == (len(at.value), *components)


@solved
def test_training_never_reads_the_exact_solution(problem, monkeypatch):
    def refuse(self, at):
        raise AssertionError("exact() was read")

    monkeypatch.setattr(type(problem), "exact", refuse)
    solution = small_solution(problem)
    losses = residual_losses(solution, sampled(problem), plan_regions(solution))
    assert set(losses) == {r.name for r in problem.residuals}


@every
def test_strategies_agree_on_the_gradient_of_the_loss(problem):
    solution = small_solution(problem)
    plans, points = plan_regions(solution), sampled(problem)
    gradients = {}
    for strategy in ("taylor", "loop"):
        solution.strategy = {"all": strategy}
        losses = residual_losses(solution, points, plans)
        assert all(loss > 0 for loss in losses.values())
        gradients[strategy] = torch.autograd.grad(
            sum(losses.values()), [*solution.parameters()], materialize_grads=True
        )
    for a, b in zip(gradients["taylor"], gradients["loop"], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-11 * float(b.abs().max()))


@every
def test_a_problem_is_rebuilt_from_its_spec(problem):
    again = build(spec_of(problem))
    assert type(again) is type(problem)
    assert spec_of(again) == spec_of(problem)
    assert again.residuals == problem.residuals
    assert again.gauges == problem.gauges


@pytest.mark.parametrize("problem", PROBLEMS.values(), ids=PROBLEMS)
def test_a_problem_says_which_data_it_may_use(problem):
    text = problem.__doc__
    assert "Data it may use:" in text
    assert "Symbols:" in text
    assert "imensional by" in text
    assert "doi:" in text


# --- what is read: walls cost a plain forward pass, the Laplacian is one channel

FLOW = "value ∂x ∂y ∇²"
STREAM = "value ∂x ∂y ∂xx ∂xy ∂yy ∂x∇² ∂y∇²"
PLANS = [
    (LidDrivenCavity(), {"interior": STREAM}),
    (
        LidDrivenCavity(walls="soft"),
        {"interior": STREAM, "lid": "value ∂x ∂y", "walls": "value ∂x ∂y"},
    ),
    (Kovasznay(), {"interior": FLOW, "boundary": "value"}),
    (Continuity(), {"interior": "value ∂x ∂y ∂t", "initial": "value", "boundary": "value"}),
    (Poisson(), {"interior": FLOW, "boundary": "value"}),
    (TaylorGreen2D(), {"interior": "value ∂x ∂y ∂t ∇²"}),
    (
        TaylorGreen2D(sides="residual"),
        {"interior": "value ∂x ∂y ∂t ∇²", "left": "value ∂x ∂y", "bottom": "value ∂x ∂y"},
    ),
    (RandomFlow(), {"interior": FLOW, "boundary": "value"}),
    (
        Beltrami3D(),
        {"interior": "value ∂x ∂y ∂z ∂t ∇²", "boundary": "value", "initial": "value"},
    ),
    (Advection(), {"interior": "value ∂x ∂t", "initial": "value"}),
    (ClampedPlate(), {"interior": STREAM + " ∇⁴", "boundary": "value ∂x ∂y"}),
    (AdvectionDiffusion(), {"interior": "value ∂x ∂xx", "boundary": "value"}),
    (
        Burgers(),
        {"interior": "value ∂x ∂t ∂xx", "initial": "value", "boundary": "value"},
    ),
    (
        AllenCahn(),
        {"interior": "value ∂x ∂t ∂xx", "initial": "value", "left": "value ∂x"},
    ),
    (
        LidDrivenCube(),
        {
            "interior": "value ∂x ∂y ∂z ∂xx ∂xy ∂xz ∂yy ∂yz ∂zz ∂x∇² ∂y∇² ∂z∇²",
            "lid": "value ∂x ∂y ∂z",
            "walls": "value ∂x ∂y ∂z",
            "middle": "value ∂x ∂y ∂z ∂xz ∂yz ∂zz",
        },
    ),
    (
        NaturalConvection(),
        {
            "interior": STREAM,
            "boundary": "value ∂x ∂y",
            "insulated": "value ∂x ∂y",
        },
    ),
    (
        Poiseuille(),
        {"interior": FLOW, "inflow": "value", "walls": "value", "outflow": "value ∂x ∂y"},
    ),
    (KovasznayViscosity(), {"interior": FLOW, "samples": "value"}),
]


@pytest.mark.parametrize(
    ("problem", "expected"), PLANS, ids=lambda p: getattr(p, "__doc__", "")[:9]
)
def test_the_plan_of_every_region(problem, expected):
    plans = plan_regions(Solution(problem, MLP(4, 1)))
    described = {r: plan.networks["all"].describe(problem.coordinates) for r, plan in plans.items()}
    assert described == expected


def test_each_residual_of_the_cavity_reads_only_what_it_needs():
    reads = plan_regions(Solution(LidDrivenCavity(), MLP(4, 1)))["interior"].reads
    described = {
        name: {unknown: plan.describe(("x", "y")) for unknown, plan in found.items()}
        for name, found in reads.items()
    }
    assert described == {
        "momentum": {"u": "value ∂x ∂y ∇²", "p": "value ∂x ∂y"},
    }


# --- the cases


@pytest.mark.parametrize("profile", ["uniform", "parabolic"])
def test_hard_walls_of_the_cavity_satisfy_the_soft_ones(profile):
    hard, soft = (LidDrivenCavity(walls=walls, profile=profile) for walls in ("hard", "soft"))
    assert [residual.name for residual in hard.residuals] == ["momentum"]
    solution = small_solution(hard)
    for residual in soft.residuals[1:]:
        (region,) = residual.regions
        points = soft.geometry.sample(region, 60)
        value = soft.evaluate(residual, *solution.fields(points.at), points)
        assert value.abs().max() < 1e-9, region
        raw = soft.evaluate(residual, *small_solution(soft).fields(points.at), points)
        assert raw.abs().max() > 1e-2, region


@pytest.mark.parametrize("flow", [corner_flow, parabolic_corner_flow])
@pytest.mark.parametrize("mirrored", [False, True])
def test_the_corner_flow_of_the_cavity_is_stokes_flow(mirrored, flow):
    problem = LidDrivenCavity()
    at = problem.geometry.sample("interior", 50).at
    at = coordinate_field(at, problem.geometry.coordinates, 3)
    psi, q = flow(at, mirrored)
    velocity = vector(partial(psi, "y"), -partial(psi, "x"))
    pressure = -2 * q if mirrored else 2 * q
    scale = float(laplacian(velocity).value.abs().max())
    assert div(velocity).value.abs().max() < 1e-13 * scale
    assert (laplacian(velocity) - grad(pressure)).value.abs().max() < 1e-13 * scale


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_corner_flow_has_the_derivatives_of_its_formula(mirrored):
    problem = LidDrivenCavity()
    at = problem.geometry.sample("interior", 50).at
    at = coordinate_field(at, problem.geometry.coordinates, 3)
    along, depth = 1 - at[:, 0] if mirrored else at[:, 0], 1 - at[:, 1]
    squared = along**2 + depth**2
    theta = 2 * atan(depth / (sqrt(squared) + along))
    shear = C * depth + D * along
    formulas = -(A * depth + theta * shear), shear / squared
    for found, expected in zip(corner_flow(at, mirrored), formulas, strict=True):
        torch.testing.assert_close(found.value, expected.value)
        for channel in (c for c in found.streams if len(c) == 1):
            torch.testing.assert_close(found.stream(channel), expected.stream(channel))


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_corner_flow_has_the_lid_s_velocity_and_stands_still_on_the_wall(mirrored):
    problem = LidDrivenCavity()
    for region, speed in (("lid", 1.0), ("right" if mirrored else "left", 0.0)):
        at = problem.geometry.sample(region, 50).at
        psi, _ = corner_flow(coordinate_field(at, problem.geometry.coordinates), mirrored)
        velocity = torch.stack([partial(psi, "y").value, -partial(psi, "x").value], -1)
        expected = torch.tensor([[speed, 0.0]], dtype=torch.float64).expand(50, 2)
        torch.testing.assert_close(velocity, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("mirrored", [False, True])
def test_below_a_parabolic_lid_the_corner_flow_has_its_slope(mirrored):
    problem = LidDrivenCavity(profile="parabolic")
    for region in ("lid", "right" if mirrored else "left"):
        at = problem.geometry.sample(region, 50).at
        psi, _ = parabolic_corner_flow(coordinate_field(at, problem.geometry.coordinates), mirrored)
        velocity = torch.stack([partial(psi, "y").value, -partial(psi, "x").value], -1)
        distance = 1 - at[:, 0] if mirrored else at[:, 0]
        speed = 4 * distance if region == "lid" else 0 * distance
        torch.testing.assert_close(velocity, torch.stack([speed, 0 * speed], -1), rtol=0, atol=1e-9)


def test_the_residual_of_a_parabolic_lid():
    at = torch.tensor([[0.25, 1.0]], dtype=torch.float64)
    problem = LidDrivenCavity(walls="soft", profile="parabolic")
    place = coordinate_field(at, problem.geometry.coordinates)
    assert problem.lid(place, place).value.tolist() == [[0.25 - 0.75, 1.0]]


def test_kovasznay_decay_rate():
    assert Kovasznay(40.0).decay == pytest.approx(20 - math.sqrt(400 + 4 * math.pi**2), rel=1e-13)
    # λ → −4π²/Re, where the textbook formula would lose all digits.
    assert Kovasznay(1e10).decay == pytest.approx(-4 * math.pi**2 / 1e10, rel=1e-12)


def test_kovasznay_values_by_hand():
    problem = Kovasznay(40.0)
    at = torch.tensor([[0.5, 0.0], [0.5, 0.25], [0.0, 0.5]], dtype=torch.float64)
    exact = problem.exact(coordinate_field(at, problem.geometry.coordinates))
    wake, slope = math.exp(problem.decay / 2), problem.decay / (2 * math.pi)
    velocity = torch.tensor([[1 - wake, 0], [1, slope * wake], [2, 0]], dtype=torch.float64)
    pressure = torch.tensor([1 - wake**2, 1 - wake**2, 0], dtype=torch.float64) / 2
    torch.testing.assert_close(exact["u"].value, velocity)
    torch.testing.assert_close(exact["p"].value, pressure)


@pytest.mark.parametrize(("flow", "expected"), [("rotating", 0.0), ("compressing", -1.0)])
def test_divergence_of_the_carrying_flow(flow, expected):
    problem = Continuity(flow)
    at = problem.geometry.sample("interior", 50).at
    found = div(problem.velocity(coordinate_field(at, problem.geometry.coordinates)))
    torch.testing.assert_close(found.value, torch.full((50,), expected, dtype=torch.float64))


@pytest.mark.parametrize(("flow", "share"), [("rotating", 0.5), ("compressing", 1.0)])
def test_density_is_given_on_the_inflow_only(flow, share):
    problem = Continuity(flow)
    points = problem.geometry.sample("boundary", 800)
    at = coordinate_field(points.at, problem.geometry.coordinates)
    inflow = next(r for r in problem.residuals if r.name == "inflow")
    value = problem.evaluate(inflow, {"rho": problem.carried(at) + 1.0}, at, points)
    flux = (problem.velocity(at).value * points.normal).sum(-1)
    torch.testing.assert_close(value, flux.clamp(max=0))
    assert (value != 0).double().mean() == pytest.approx(share, abs=0.02)


def test_the_cloud_makes_half_a_turn():
    problem = Continuity("rotating")
    at = torch.tensor([[0.4, 0.0, 0.0], [0.0, 0.4, 0.5], [-0.4, 0.0, 1.0]], dtype=torch.float64)
    exact = problem.exact(coordinate_field(at, problem.geometry.coordinates))
    torch.testing.assert_close(exact["rho"].value, torch.ones(3, dtype=torch.float64))


def test_compression_conserves_the_mass_of_the_whole_cloud():
    problem = Continuity("compressing")
    at = problem.geometry.grid(81).reshape(81, 81, 81, 3)[..., -1, :].reshape(-1, 3)  # t = 1
    density = problem.exact(coordinate_field(at, problem.geometry.coordinates))["rho"].value
    mass = torch.trapezoid(torch.trapezoid(density.reshape(81, 81), dx=0.025), dx=0.025)
    assert float(mass) == pytest.approx(2 * math.pi * 0.25**2, rel=1e-3)
    assert float(density.max()) == pytest.approx(math.e, rel=1e-2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Kovasznay(reynolds=0.0), "reynolds is 0.0"),
        (lambda: LidDrivenCavity(reynolds=math.nan), "reynolds is nan"),
        (lambda: Kovasznay(gauge="zeromean"), "unknown gauge 'zeromean': did you mean 'zero_mean'"),
        (lambda: LidDrivenCavity(walls="firm"), "walls is 'firm'"),
        (lambda: LidDrivenCavity(profile="round"), "unknown profile 'round'"),
        (lambda: Continuity("rotate"), "unknown flow 'rotate': did you mean 'rotating'"),
        (lambda: Poisson(0), "wavenumber is 0"),
        (lambda: Poisson(1.5), "wavenumber is 1.5"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_samples_have_the_noise_asked_for_and_are_drawn_again_alike():
    problem, clean = (KovasznayViscosity(samples=4000, noise=noise) for noise in (0.02, 0.0))
    noisy, exact = (p.geometry.sample("samples", 1) for p in (problem, clean))
    assert torch.equal(noisy.at, exact.at)
    errors = torch.stack([noisy.columns[n] - exact.columns[n] for n in problem.columns])
    errors /= torch.stack([exact.columns[n].std() for n in problem.columns])[:, None]
    for each in errors:
        assert float(each.std()) == pytest.approx(0.02, rel=0.03)
        assert abs(each.mean()) < 3 * 0.02 / 4000**0.5
    assert abs(errors.prod(0).mean()) < 3 * 0.02**2 / 4000**0.5
    again = KovasznayViscosity(samples=4000, noise=0.02).geometry.sample("samples", 1)
    assert torch.equal(again.columns["v_sample"], noisy.columns["v_sample"])
    other = KovasznayViscosity(samples=4000, noise=0.02, draw=1).geometry.sample("samples", 1)
    assert not torch.equal(other.at, noisy.at)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"noise": -0.1}, r"noise is -0\.1: it must be a finite number, 0 or more"),
        ({"samples": 1}, "samples is 1: expected at least 2"),
        ({"reynolds": [40, 100]}, r"reynolds is \[40, 100\]: it must be a positive, finite number"),
        ({"draw": -1}, "draw is -1: expected at least 0"),
        ({"guess": 0.0}, r"guess is 0\.0: it must be a positive, finite number"),
    ],
)
def test_numbers_that_make_no_samples_are_refused(arguments, said):
    with pytest.raises(ValueError, match=said):
        KovasznayViscosity(**arguments)
