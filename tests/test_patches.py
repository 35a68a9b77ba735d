"""Networks of local features on patches: windows, derivatives, recipes, checkpoints, exports."""

import random as python_random

import pytest
import torch
from nested import nested
from test_export import compare, inside

import pinn
from pinn.algebra.channels import Plan, every_channel
from pinn.base.recipe import build, spec_of
from pinn.derivatives.evaluate import evaluate
from pinn.geometry import Rectangle
from pinn.networks import MLP, Patches, Polynomials, Ridges
from pinn.networks.layout import Layout, step, step_slopes
from pinn.networks.windows import BEYOND, Windows
from pinn.optim import Phase, usual_phases
from pinn.problems import Kovasznay, Poisson
from pinn.solution.solution import Solution

F64 = torch.float64


pytestmark = pytest.mark.usefixtures("double_precision")


def tree(dimensions, count, seed):
    """A layout of random cuts."""
    draw = python_random.Random(seed)
    layout = Layout([-1.0] * dimensions, [2.0] * dimensions)
    for _ in range(count):
        patch, axis = draw.randrange(len(layout)), draw.randrange(dimensions)
        low, high = (side[axis] for side in layout.sides[patch])
        layout.cut(patch, axis, low + (high - low) * draw.uniform(0.2, 0.8))
    return layout


def points_in(layout, count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    lower, upper = torch.tensor(layout.lower), torch.tensor(layout.upper)
    return lower + (upper - lower) * torch.rand(count, len(lower), generator=generator)


def filled(network, seed=0):
    """A network with coefficients of its own."""
    generator = torch.Generator().manual_seed(seed)
    weight = network.output.weight
    drawn = torch.randn(weight.shape, generator=generator, dtype=F64)
    with torch.no_grad():
        weight.copy_(drawn / weight.shape[-1])
    return network


def built(grid, features=None, geometry=None, outputs=2):
    network = Patches(grid, features)
    network.build(geometry or Rectangle(x=(0, 1), y=(-1, 2)), outputs)
    return filled(network)


# --- windows


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("dimensions", "count"), [(1, 9), (2, 20), (3, 30), (4, 40)])
def test_windows_of_a_random_tree_of_cuts_sum_to_one(dimensions, count, seed):
    layout = tree(dimensions, count, seed)
    windows, x = Windows(layout), points_in(layout, 3000)
    every = torch.arange(len(layout)).expand(len(x), -1)
    whole, _ = windows(x, every)
    torch.testing.assert_close(whole.sum(1), torch.ones(len(x), 1), rtol=0, atol=1e-14)
    patch, counts = windows.seen(x)
    few = torch.where(counts, windows(x, patch)[0][..., 0], 0.0)
    torch.testing.assert_close(few.sum(1), torch.ones(len(x)), rtol=0, atol=1e-14)
    assert not counts[:, 2**dimensions :].any()


def test_a_patch_sees_its_local_box():
    layout = tree(2, 12, 5)
    windows = Windows(layout)
    low, high = layout.boxes().support
    every = torch.arange(len(layout))[:, None]
    for corner, sign in ((low, -1.0), (high, 1.0)):
        window, xi = windows(corner, every)
        torch.testing.assert_close(xi[:, 0], sign * torch.ones_like(low))
        assert window.shape == (len(layout), 1, 1)


def test_the_slopes_of_a_step_are_those_of_nested_autograd():
    t = torch.linspace(-0.7, 0.7, 58, dtype=F64, requires_grad=True)
    expected = [step(t)]
    for _ in range(4):
        (slope,) = torch.autograd.grad(expected[-1].sum(), t, create_graph=True)
        expected.append(slope)
    found = step_slopes(t.detach(), 4)
    for own, other in zip(found, expected, strict=True):
        torch.testing.assert_close(
            own, other, rtol=0, atol=1e-13 * float(other.detach().abs().max())
        )
    assert bool((found[1:, t.abs() > 0.5] == 0).all())


def test_behind_the_end_of_patches_nothing_changes_along_the_axis():
    layout = tree(2, 2, 0)
    windows = Windows(layout, ends_early=True)
    end = windows.upper[:, 1].max()
    x = torch.stack([end - 1e-3, end, end + 0.5])[:, None]
    last = torch.full((3, 1), int(windows.upper[:, 1].argmax()))
    _, local, slope = windows.along(x, last, 1, 1)
    expected = windows.inverse_half_width[last[0], 1].expand(2, 1)
    assert torch.equal(slope, torch.cat([expected, torch.zeros(1, 1)]))
    assert float(local[2]) == BEYOND


def test_the_step_is_four_times_continuously_differentiable():
    t = torch.tensor([-0.5, 0.0, 0.5]).requires_grad_()
    value = step(t)
    torch.testing.assert_close(value, torch.tensor([0.0, 0.5, 1.0]), rtol=0, atol=1e-15)
    x = torch.tensor([-0.5 + 1e-4, 0.5 - 1e-4]).requires_grad_()
    slope = step(x)
    for order in range(1, 5):
        (slope,) = torch.autograd.grad(slope.sum(), x, create_graph=True)
        assert slope.abs().max() < 1e5 * 1e-4 ** (5 - order)


def test_points_outside_and_on_the_boundary_have_finite_values():
    network = built({"x": 3, "y": 2}, Polynomials(3))
    corners = torch.tensor([[0.0, -1.0], [1.0, 2.0], [0.0, 2.0], [-0.1, 0.5], [1.1, 2.1]])
    patch, counts = network.seen(corners)
    assert counts.any(1).all()
    shares = torch.where(counts, network.windows(corners, patch)[0][..., 0], 0.0)
    torch.testing.assert_close(shares.sum(1), torch.ones(5))
    near = corners + torch.tensor([1e-9, -1e-9])
    torch.testing.assert_close(network(corners), network(near), rtol=0, atol=1e-5)


def test_points_of_two_batch_dimensions():
    network = built({"x": 3, "y": 2}, Polynomials(3))
    x = points_in(network.layout, 12)
    torch.testing.assert_close(network(x.view(3, 4, 2)), network(x).view(3, 4, 2))


# --- derivatives


NETWORKS = {
    "polynomials": lambda: built({"x": 3, "y": 2}, Polynomials(4)),
    "one patch": lambda: built(None, Polynomials(3)),
    "tanh": lambda: built({"x": [0.4]}, Ridges(5)),
    "sin": lambda: built({"y": 3}, Ridges(5, "sin", 3.0)),
    "trained": lambda: built({"x": 2, "y": 2}, Ridges(4, trained=True)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_derivatives_to_fourth_order_are_those_of_nested_reverse_mode(name):
    network = NETWORKS[name]()
    x, plan = points_in(network.layout, 8), Plan(every_channel(2, (0, 1), 4))
    jet = evaluate(network, x, plan, "taylor")
    value, streams = nested(network, x, plan.channels)
    ours = torch.stack([jet.value, *map(jet.stream, plan.channels)])
    exact = torch.stack([value, *(streams[c] for c in plan.channels)])
    torch.testing.assert_close(
        ours, exact, rtol=1e-9, atol=1e-9 * float(exact.detach().abs().max())
    )
    for parameter in network.parameters():
        slopes = [
            torch.autograd.grad((t / (1 + t.detach().abs())).sum(), parameter, retain_graph=True)[0]
            for t in (ours, exact)
        ]
        size = float(slopes[1].abs().max())
        torch.testing.assert_close(*slopes, rtol=1e-8, atol=1e-9 * size)


@pytest.mark.parametrize("strategy", ["taylor", "vmap", "loop"])
def test_every_strategy_gives_the_same_derivatives(strategy):
    network = built({"x": 3, "y": 2}, Polynomials(4))
    x, plan = points_in(network.layout, 20), Plan(every_channel(2, (0, 1)))
    jet, expected = evaluate(network, x, plan, strategy), evaluate(network, x, plan, "taylor")
    for channel in plan.channels:
        torch.testing.assert_close(jet.stream(channel), expected.stream(channel))
    torch.testing.assert_close(jet.value, expected.value)


def test_single_precision_keeps_the_digits_of_the_windows():
    """Positions of the cuts come from float64, whatever precision was in between."""
    network = built({"x": [1 / 3, 2 / 3]}, Polynomials(3))
    x = points_in(network.layout, 50)
    before = network(x)
    exact = {n: b.clone() for n, b in network.windows.named_buffers()}
    network.float()
    single = network(x.float())
    torch.testing.assert_close(single.double(), before, rtol=1e-4, atol=1e-5)
    network.double()
    for name, buffer in network.windows.named_buffers():
        assert torch.equal(buffer, exact[name]), name


# --- what is asked for


@pytest.mark.parametrize(
    ("grid", "cuts", "message"),
    [
        ({"x": 0}, None, "Patches grid x is 0: give the number of patches, or"),
        ({"x": True}, None, "Patches grid x is True"),
        ({"x": [0.6, 0.4]}, None, r"Patches grid x is \[0.6, 0.4\].*increasing between 0 and 1"),
        ({"x": [1.5]}, None, "between 0 and 1"),
        ({"x": "many"}, None, "Patches grid x is 'many'"),
        ({"x": [None]}, None, r"Patches grid x is \[None\]"),
        ({"z": 2}, None, "'z'"),
        (None, [[0, 0, 3.0]], "patch 0 reaches from 0 to 1: cut between them"),
        (None, [[1, 0, 0.5]], "there is no such patch or axis"),
        (None, [[0, 2, 0.5]], "there is no such patch or axis"),
        (None, [[0, 0]], r"Patches cut \[0, 0\]: give a patch, an axis and a position"),
        (None, [7], "Patches cut 7: give a patch"),
        (None, [[0, 0, float("nan")]], "cut between them"),
        (5, None, "Patches grid is 5"),
    ],
)
def test_what_cannot_be_cut_is_one_line(grid, cuts, message):
    with pytest.raises(ValueError, match=message) as raised:
        Patches(grid, None, cuts).build(Rectangle(x=(0, 1), y=(0, 1)), 1)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Polynomials(-1), "Polynomials degree"),
        (lambda: Polynomials(2.5), "Polynomials degree"),
        (lambda: Ridges(0), "Ridges units"),
        (lambda: Ridges(spread=-1.0), "Ridges spread is -1"),
        (lambda: Ridges(activation="relu"), "relu"),
    ],
)
def test_features_that_cannot_be_are_one_line(make, message):
    with pytest.raises(ValueError, match=message) as raised:
        make()
    assert "\n" not in str(raised.value)


def test_a_grid_by_number_is_one_by_positions():
    numbers = built({"x": 4, "y": 3}, Polynomials(2))
    places = built({"x": [0.25, 0.5, 0.75], "y": [0.0, 1.0]}, Polynomials(2))
    assert numbers.layout.cuts == places.layout.cuts
    assert len(numbers.layout) == 12
    x = points_in(numbers.layout, 40)
    assert torch.equal(numbers(x), places(x))
    volume = sum((b - a) * (d - c) for (a, c), (b, d) in numbers.layout.sides)
    assert volume == pytest.approx(3.0)


def test_cuts_after_a_grid():
    network = Patches({"x": 2}, Polynomials(2), [[1, 1, 0.5], [2, 0, 0.75]])
    network.build(Rectangle(x=(0, 1), y=(0, 1)), 1)
    sides = [tuple(map(tuple, pair)) for pair in network.layout.sides]
    assert sides == [
        ((0, 0), (0.5, 1)),
        ((0.5, 0), (1, 0.5)),
        ((0.5, 0.5), (0.75, 1)),
        ((0.75, 0.5), (1, 1)),
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_made_again_from_its_recipe(name):
    network = NETWORKS[name]()
    other = build(spec_of(network), ("pinn",))
    other.build(Rectangle(x=(0, 1), y=(-1, 2)), 2)
    other.load_state_dict(network.state_dict())
    x = points_in(network.layout, 30)
    assert torch.equal(other(x), network(x))


# --- in a run


POINTS = {"interior": 120, "boundary": 40}


def fit(folder, network, *phases, problem=None, **settings):
    settings = {"derivatives": "taylor", "compile": False, "accelerator": "cpu", **settings}
    problem = problem or Poisson(wavenumber=1)
    settings = {"points": POINTS, "enable_progress_bar": False, "folder": folder, **settings}
    return pinn.fit(problem, network, list(phases) or None, **settings)


PHASES = {
    "Adam": [Phase(3, dtype="float64"), Phase(3)],
    "LBFGS": [Phase(3, "LBFGS", dtype="float64", options={"max_iter": 4})],
    "LevenbergMarquardt": [Phase(3, "LevenbergMarquardt")],
}
FEATURES = {
    "polynomials": lambda: Polynomials(4),
    "tanh": lambda: Ridges(12),
    "sin": lambda: Ridges(12, "sin"),
    "trained": lambda: Ridges(6, trained=True),
}


@pytest.mark.parametrize("optimizer", PHASES)
@pytest.mark.parametrize("features", FEATURES)
def test_every_optimiser_lowers_the_loss_and_what_it_leaves_is_loaded(
    optimizer, features, tmp_path
):
    network = Patches({"x": 2, "y": 2}, FEATURES[features]())
    solution = fit(tmp_path, network, *PHASES[optimizer])
    x = torch.rand(50, 2, dtype=next(solution.parameters()).dtype)
    path = max(tmp_path.rglob("*.ckpt"))
    loaded = pinn.load(path)
    assert torch.equal(loaded(x)["u"], solution(x)["u"])
    assert solution(x)["u"].abs().max() > 0


def test_an_error_falls_as_patches_are_halved(tmp_path):
    phase = Phase(4, "LevenbergMarquardt", options={"damping": 1e-12})
    errors, many = [], {"interior": 400, "boundary": 160}
    for count in (1, 2):
        network = Patches({"x": count, "y": count}, Polynomials(8))
        solution = fit(tmp_path, network, phase, points=many, weights={"boundary": 1e4})
        x = torch.rand(200, 2)
        exact = solution.problem.exact(x)["u"]
        errors.append(float((solution(x)["u"] - exact).norm() / exact.norm()))
    assert errors[1] < 0.2 * errors[0] < 1e-3


def test_least_squares_is_the_default_whatever_the_number_of_patches():
    many = Solution(Poisson(), Patches({"x": 40, "y": 40}))
    assert sum(p.numel() for p in many.parameters()) > 5000
    (phase,) = usual_phases(many)
    assert (phase.optimizer, phase.train) == ("LevenbergMarquardt", "output")
    small = Solution(Poisson(), Patches({"x": 2}, Ridges(5, trained=True)))
    (phase,) = usual_phases(small)
    assert (phase.optimizer, phase.train) == ("LevenbergMarquardt", "all")
    trained = Solution(Poisson(), Patches({"x": 40, "y": 4}, Ridges(20, trained=True)))
    assert [phase.optimizer for phase in usual_phases(trained)] == ["Adam", "LBFGS"]


def test_a_network_per_unknown(tmp_path):
    networks = {
        "u": Patches({"x": 2}, Polynomials(5)),
        "p": Patches({"y": 2}, Polynomials(4)),
    }
    phase = Phase(3, "LevenbergMarquardt", train="output")
    solution = fit(tmp_path, networks, phase, problem=Kovasznay())
    loaded = pinn.load(max(tmp_path.rglob("*.ckpt")))
    x = inside(solution, 20)
    for name, values in solution(x).items():
        assert torch.equal(loaded(x)[name], values)


def test_patches_beside_a_dense_network(tmp_path):
    networks = {"u": Patches({"x": 2}, Polynomials(3)), "p": MLP(6, 1)}
    solution = fit(tmp_path, networks, Phase(2, "LevenbergMarquardt"), problem=Kovasznay())
    assert solution(inside(solution, 5))["p"].abs().max() > 0


@pytest.mark.parametrize("name", ["polynomials", "trained"])
def test_a_program_gives_the_numbers_of_the_solution(name, tmp_path):
    solution = Solution(Poisson(), Patches({"x": 2, "y": 3}, FEATURES[name]())).double()
    filled(solution.networks["all"])
    solution.export(tmp_path / "u.pt2", ("u.x",))
    program = torch.export.load(tmp_path / "u.pt2").module()
    for count in (1, 100):
        points = inside(solution, count)
        compare(solution, program(points), points, ("u.x",), 1e-11)


@pytest.mark.slow
def test_a_program_for_onnx_is_the_same(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    solution = Solution(Poisson(), Patches({"x": 2, "y": 3}, Polynomials(3))).double()
    filled(solution.networks["all"])
    solution.export(tmp_path / "u.onnx", ("u.x",))
    session = runtime.InferenceSession(tmp_path / "u.onnx")
    points = inside(solution, 30)
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(None, {"points": points.numpy()}), strict=True))
    compare(solution, {n: torch.as_tensor(v) for n, v in found.items()}, points, ("u.x",), 1e-11)
