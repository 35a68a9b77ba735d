"""Parameters of a problem as coordinates that are neither space nor time."""

import math
import warnings

import numpy as np
import pytest
import torch
from short import only
from torch import nn

import pinn
from pinn import MLP, Interval, Phase, Problem, Rectangle, Solution, dt, grad, integral, laplacian
from pinn.assessment.figures import draw
from pinn.assessment.mass_balance import mass_balance
from pinn.assessment.scores import component_values, errors, instant_by_instant
from pinn.base.recipe import build, spec_of
from pinn.callbacks.announcement import gauge_lines
from pinn.checkpoints.names import newest_first
from pinn.cli.main import main
from pinn.fields.field import coordinate_field, partial
from pinn.fields.functions import cos, exp, sin
from pinn.fields.vector_calculus import advect, curl, div
from pinn.geometry import Geometry
from pinn.physics.references import comparison_points
from pinn.physics.residuals import on
from pinn.problems import Kovasznay

FLOAT = torch.float64
RE = {"reynolds": (20, 80)}


class Decay(Problem):
    """u' + k u = 0, u(0) = 1:  u = e^{−kx} for all k of a range, or for one."""

    coordinates = ("x",)
    unknowns = {"u": 1}
    geometry = Interval()

    def __init__(self, k=None, ranges=None):
        super().__init__(ranges=ranges)
        if k is not None:
            self.k = k

    @on("interior")
    def balance(self, u):
        return grad(u)[:, 0] + self.k * u

    @on("left")
    def start(self, u):
        return u - 1

    def exact(self, at):
        return exp(-self.k * at[:, 0])


class Heat(Problem):
    """∂u/∂t = a ∂²u/∂x²:  u = e^{−aπ²t} sin πx."""

    coordinates = ("x", "t")
    unknowns = {"u": 1}
    geometry = Interval(time=(0, 0.2))
    ranges = {"a": (0.5, 2)}

    @on("interior")
    def balance(self, u, a):
        return dt(u) - a * laplacian(u)

    @on("initial")
    def start(self, u, x):
        return u - sin(math.pi * x)

    @on("left", "right")
    def sides(self, u):
        return u

    def exact(self, at):
        return exp(-self.a * math.pi**2 * at[:, 2]) * sin(math.pi * at[:, 0])


class Given(nn.Module):
    """Outputs that are a function of the points."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.scale = nn.Parameter(torch.ones((), dtype=FLOAT))

    def forward(self, x):
        return self.function(*(x[..., i] for i in range(x.shape[-1]))) * self.scale


class Pressure(Problem):
    """Reads ∂p/∂x alone: p is open up to a function of Re and of time."""

    coordinates = ("x", "t")
    unknowns = {"p": 1}
    geometry = Interval(x=(0, 2), time=(1, 3))
    ranges = RE

    @on("interior")
    def slope(self, p, x):
        return grad(p)[:, 0] - 2 * x


class Sensitive(Pressure):
    """Reads ∂p/∂Re too."""

    @on("interior")
    def rate(self, p, reynolds):
        return partial(p, "reynolds") - 3 * reynolds**2


def one_column(function):
    return Given(lambda *columns: function(*columns)[..., None])


def pressures(cls=Pressure, gauge="zero_mean", ranges=None):
    """p = x² + Re³/Re₀³ + sin t, with its mean over 0 ≤ x ≤ 2 being 4/3 + Re³/Re₀³ + sin t."""
    problem = cls(ranges=ranges)
    problem.gauges = {"p": gauge}
    network = one_column(lambda x, re, t: x**2 + (re / 50) ** 3 + torch.sin(t))
    return Solution(problem, network)


def left_over(problem, region="interior", n=60):
    """The largest residual of the exact solution."""
    largest = 0.0
    points = problem.geometry.sample(region, n)
    at = coordinate_field(points.at, problem.geometry.coordinates)
    with problem.at_work("exact", at):
        exact = problem.exact(at)
    exact = exact if isinstance(exact, dict) else {"u": exact}
    for residual in problem.residuals:
        if region in residual.regions:
            value = problem.evaluate(residual, exact, at, points)
            largest = max(largest, float(value.abs().max()))
    return largest


# --- the domain


def test_a_parameter_stands_behind_space_and_before_time():
    problem = Heat()
    assert problem.coordinates == problem.geometry.coordinates.names == ("x", "a", "t")
    assert (problem.geometry.lower, problem.geometry.upper) == ((0, 0.5, 0), (1, 2, 0.2))
    assert Heat.coordinates == ("x", "t")
    assert Heat.geometry.coordinates.names == ("x", "t")
    assert problem.geometry.measure("interior") == pytest.approx(1.5 * 0.2)
    assert problem.geometry.measure("initial") == pytest.approx(1.5)
    initial = problem.geometry.sample("initial", 64).at
    assert initial[:, 2].eq(0).all()
    assert 0.5 < float(initial[:, 1].min()) < 0.6
    assert 1.9 < float(initial[:, 1].max()) < 2
    rule = problem.geometry.sample("interior", 1000, "gauss")
    mean = (rule.weights * rule.at[:, 1] ** 2 * rule.at[:, 0]).mean()
    assert float(mean) == pytest.approx((2**3 - 0.5**3) / 4.5 / 2, rel=1e-12)


def test_other_regions_get_the_parameter_too():
    box = Rectangle(time=(0, 1)).named(lid="top").part("inlet", x=0, y=(0.5, 1))
    geometry = box.with_ranges(RE)
    points = geometry.sample("inlet", 50)
    assert geometry.contains(points.at).all()
    assert points.normal.shape == (50, 2)
    assert geometry.measure("inlet") == pytest.approx(0.5 * 60)
    assert geometry.sample("lid", 9).at.shape == (9, 4)
    assert build(spec_of(geometry)).coordinates == geometry.coordinates
    hole = (Rectangle() - pinn.Disc((0.5, 0.5), 0.2, name="hole")).with_ranges(RE)
    at = hole.sample("interior", 200).at
    assert hole.contains(at).all()
    assert hole.measure("hole") == pytest.approx(2 * math.pi * 0.2 * 60)


def test_measured_points_have_a_column_for_the_parameter():
    cloud = {"x": [0.1, 0.2], "reynolds": [30.0, 40.0], "U": [1.0, 2.0]}
    before = Interval().with_points("probes", cloud).with_ranges(RE)
    after = Interval().with_ranges(RE).with_points("probes", cloud)
    for geometry in (before, after):
        points = geometry.sample("probes", 1)
        assert points.at.tolist() == [[0.1, 30.0], [0.2, 40.0]]
        assert list(points.columns) == ["U"]
    with pytest.raises(ValueError, match="no column for coordinate 'reynolds'"):
        Interval().with_points("probes", {"x": [0.1], "U": [1.0]}).with_ranges(RE)
    with pytest.raises(ValueError, match="1 of 2 lie outside"):
        Interval().with_points("probes", cloud | {"reynolds": [30.0, 90.0]}).with_ranges(RE)
    with pytest.raises(ValueError, match="bounds of a must be finite and increase"):
        Interval().with_ranges({"a": (2, 2)})


# --- equations


@pytest.mark.parametrize(
    "problem", [Decay(ranges={"k": (0.5, 2)}), Heat(), Kovasznay(None, ranges=RE)]
)
def test_an_exact_solution_leaves_nothing_over_at_any_value(problem):
    for region in problem.regions():
        assert left_over(problem, region) < 2e-12


def test_one_class_serves_a_number_and_a_range():
    at = torch.tensor([[0.3, 33.0, 0.7], [0.9, 71.0, 0.1]], dtype=FLOAT)[:, [0, 2, 1]]
    every = Kovasznay(None, ranges=RE)
    known = every.exact_reference(at, (2,)).values
    for row in range(2):
        one = Kovasznay(float(at[row, 2])).exact_reference(at[row : row + 1, :2], (1,)).values
        for name, values in one.items():
            torch.testing.assert_close(known[name][row], values[0], rtol=1e-14, atol=0)
    fixed = Decay(0.7)
    assert fixed.coordinates == ("x",)
    assert left_over(fixed) < 1e-14

    class Fixed(Heat):
        ranges = {}
        a = 1.5

        @on("interior")
        def balance(self, u):
            return dt(u) - self.a * laplacian(u)

        def exact(self, at):
            return exp(-self.a * math.pi**2 * at[:, 1]) * sin(math.pi * at[:, 0])

    assert Fixed().coordinates == ("x", "t")
    assert left_over(Fixed()) < 1e-13


def test_operators_of_space_skip_it_and_partial_does_not():
    coordinates = Rectangle(time=(0, 1)).with_ranges(RE).coordinates
    at = coordinate_field(torch.rand(7, 4, dtype=FLOAT) + 1, coordinates)
    x, y, r, t = (at[:, i] for i in range(4))
    u = torch.stack([x * y * r**2 * t, x**2 * r], -1)
    assert grad(x * r).shape == (7, 2)
    same = lambda a, b: torch.testing.assert_close(a.value, b.value)  # noqa: E731
    same(div(u), y * r**2 * t)
    same(laplacian(x**2 * r**2), 2 * r**2)
    same(curl(u), 2 * x * r - x * r**2 * t)
    same(advect(u, x * r), x * y * r**3 * t)
    same(dt(x * r * t), x * r)
    same(partial(x * r**3, "reynolds"), 3 * x * r**2)


def test_the_gradient_in_the_weights_is_that_of_the_number_at_each_point():
    network = MLP(6, 1).double()
    every = Solution(Kovasznay(None, ranges=RE), network).double()
    points = every.problem.geometry.sample("interior", 4)
    residual = every.problem.residuals[0]
    fields, position = every.fields(points.at, every.up_to(2))
    loss = every.problem.evaluate(residual, fields, position, points).square().sum()
    ours = torch.autograd.grad(loss, list(network.parameters()))
    loss = torch.zeros((), dtype=FLOAT)
    for z in points.at:
        z = z.clone().requires_grad_()
        values = network(z)
        slopes = [torch.autograd.grad(v, z, create_graph=True)[0] for v in values]
        for k in range(2):
            bent = [torch.autograd.grad(slopes[k][i], z, create_graph=True)[0][i] for i in (0, 1)]
            advected = values[0] * slopes[k][0] + values[1] * slopes[k][1]
            loss = loss + (advected + slopes[2][k] - sum(bent) / z[2]) ** 2
    theirs = torch.autograd.grad(loss, list(network.parameters()))
    torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12)


def test_one_training_solves_for_all_values(tmp_path):
    solution = pinn.fit(
        Decay(ranges={"k": (0.5, 2)}),
        MLP(150, 1, spread=1.0),
        points={"interior": 300, "left": 40},
        method="gauss",
        weights={"start": 100.0},
        folder=tmp_path,
        val_check_interval=10**6,
    )
    assert errors(solution, solution.problem.reference())["error/u"] < 1e-8
    x, value = torch.linspace(0, 1, 9, dtype=FLOAT), 1.3
    there = solution.at(x, derivatives=("u.k",), k=value)
    torch.testing.assert_close(there["u"], torch.exp(-value * x), rtol=0, atol=1e-8)
    torch.testing.assert_close(there["u.k"], -x * torch.exp(-value * x), rtol=0, atol=1e-6)
    path = newest_first(only(tmp_path) / "checkpoints")[0]
    again = pinn.load(path, problem=Decay(ranges={"k": (0.5, 2)}))
    at = solution.problem.geometry.sample("interior", 20).at
    assert torch.equal(again(at)["u"], solution(at)["u"])


def test_one_training_solves_for_all_values_and_times(tmp_path):
    solution = pinn.fit(
        Heat(),
        MLP(200, 1, spread=[1.0, 0.5, 1.0]),
        points={"interior": 512, "initial": 100, "left": 36, "right": 36},
        method="gauss",
        weights={"start": 1000.0, "sides": 1000.0},
        folder=tmp_path,
        val_check_interval=10**6,
    )
    assert errors(solution, solution.problem.reference())["error/u"] < 2e-3


# --- what the equations leave open


def test_a_constant_that_no_equation_reads_is_a_function_of_the_parameter():
    solution = pressures()
    assert [c.along for c in solution.constants] == [(1, 2)]
    (line,) = gauge_lines(Solution(Pressure(), MLP(4, 1)))
    assert "a function of reynolds and time open: its mean at each value of these is set" in line
    at = torch.tensor([[0.5, 33.0, 1.5], [1.5, 33.0, 1.5], [0.5, 60.0, 2.5]], dtype=FLOAT)
    expected = at[:, 0] ** 2 - 4 / 3
    torch.testing.assert_close(solution(at)["p"], expected, rtol=0, atol=1e-13)
    there = solution.at(at, ("p.reynolds", "p.t", "p.x"))
    for name in ("p.reynolds", "p.t"):
        torch.testing.assert_close(there[name], torch.zeros(3, dtype=FLOAT), rtol=0, atol=1e-12)
    torch.testing.assert_close(there["p.x"], 2 * at[:, 0])
    pinned = pressures(gauge="pin")
    torch.testing.assert_close(pinned(at)["p"], at[:, 0] ** 2, rtol=0, atol=1e-13)
    assert pressures(gauge="free")(at)["p"][0] == pytest.approx(0.25 + 0.66**3 + math.sin(1.5))


def test_a_sensitivity_that_is_read_leaves_a_function_of_time_alone():
    solution = pressures(Sensitive)
    assert [c.along for c in solution.constants] == [(2,)]
    at = torch.tensor([[0.5, 33.0, 1.5], [0.5, 60.0, 2.5]], dtype=FLOAT)
    mean = 4 / 3 + ((80 / 50) ** 4 - (20 / 50) ** 4) * 50 / 4 / 60  # of x² + (Re/50)³
    expected = at[:, 0] ** 2 + (at[:, 1] / 50) ** 3 - mean
    torch.testing.assert_close(solution(at)["p"], expected, rtol=0, atol=1e-13)
    torch.testing.assert_close(solution.at(at, ("p.t",))["p.t"], at[:, 0] * 0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("steady", [False, True])
def test_many_values_are_interpolated_to_rounding(steady):
    class Steady(Pressure):
        coordinates = ("x",)
        geometry = Interval(x=(0, 2))

    if steady:
        solution = Solution(Steady(), one_column(lambda x, re: x**2 + torch.sin(re / 20)))
    else:
        solution = pressures()
    at = solution.problem.geometry.sample("interior", 2500).at
    there = solution.at(at, ("p.reynolds", "p.x"))
    torch.testing.assert_close(there["p"], at[:, 0] ** 2 - 4 / 3, rtol=0, atol=1e-12)
    assert float(there["p.reynolds"].abs().max()) < 1e-11
    few = solution(at[:9])["p"]
    torch.testing.assert_close(there["p"][:9], few, rtol=0, atol=1e-12)


def test_an_ansatz_may_scale_by_the_parameter():
    class Scaled(Pressure):
        def ansatz(self, raw, at):
            return {"p": raw["p"] / self.reynolds}

    class Held(Pressure):
        def ansatz(self, raw, at):
            return {"p": raw["p"] * at[:, 0]}

    assert [c.along for c in Solution(Scaled(), MLP(4, 1)).constants] == [(1, 2)]
    assert Solution(Held(), MLP(4, 1)).constants == []


def test_errors_are_compared_up_to_a_function_of_parameter_and_time():
    class Known(Pressure):
        def exact(self, at):
            return at[:, 0] ** 2 + cos(at[:, 1] * at[:, 2])

    problem = Known()
    reference = problem.reference()
    exact = one_column(lambda x, re, t: x**2 + (re / 50) ** 3 * t)
    assert errors(Solution(problem, exact), reference)["error/p"] < 1e-12
    wrong = one_column(lambda x, re, t: x**2 + 0.1 * x * re / 50)
    assert errors(Solution(Known(), wrong), reference)["error/p"] > 0.05
    free = Solution(Known(), exact)
    free.problem.gauges = {"p": "free"}
    assert errors(free, reference)["error/p"] < 1e-12
    with pytest.raises(ValueError, match="give several points at each"):
        instant_by_instant(torch.rand(4), torch.ones(4, dtype=torch.bool), torch.rand(4, 2))


def test_scattered_reference_points_share_their_values():
    box = pinn.Box(time=(0, 1)).with_ranges({"a": (1, 2)})
    at, shape = comparison_points(box)
    assert shape == (512, 16)
    assert len(at[:, 3:].unique(dim=0)) == 16
    assert len(at[:, 3].unique()) == 16
    assert box.contains(at).all()


def test_a_program_has_the_gauge_of_every_value(tmp_path):
    torch.manual_seed(0)
    solution = Solution(Kovasznay(None, ranges=RE), MLP(8, 1)).double()
    solution.export(tmp_path / "flow.pt2", derivatives=("p.reynolds",))
    program = torch.export.load(tmp_path / "flow.pt2").module()
    at = solution.problem.geometry.sample("interior", 11).at
    values = program(at)
    torch.testing.assert_close(values["p"], solution(at)["p"], rtol=0, atol=1e-12)
    rate = solution.at(at, ("p.reynolds",))["p.reynolds"]
    torch.testing.assert_close(values["p.reynolds"], rate, rtol=0, atol=1e-12)


def test_an_integral_would_be_over_the_parameter_too(tmp_path):
    class Normal(Decay):
        @on("interior")
        def total(self, u):
            return integral(u) - 1

    with pytest.raises(ValueError, match="integral over the region would be over k too") as said:
        pinn.fit(Normal(ranges={"k": (1, 2)}), MLP(4, 1), [Phase(1)], folder=tmp_path)
    assert "\n" not in str(said.value)


# --- values, files and figures


def test_values_at_points_without_the_column():
    solution = pressures()
    full = torch.tensor([[0.5, 33.0, 1.5], [1.5, 60.0, 2.5]], dtype=FLOAT)
    known = solution(full)["p"]
    assert torch.equal(solution(full[:, [0, 2]], reynolds=full[:, 1])["p"], known)
    assert torch.equal(solution(full[:, [0, 2]], reynolds=33)["p"][0], known[0])
    columns = {"x": [0.5, 1.5], "t": [1.5, 2.5]}
    np.testing.assert_array_equal(solution(columns, reynolds=[33, 60])["p"], known)
    np.testing.assert_array_equal(solution(columns | {"reynolds": [33, 60]})["p"], known)
    assert solution([0.5, 1.5], reynolds=33)["p"].shape == ()
    there = solution.at(full[:, [0, 2]], reynolds=33.0)
    assert set(there.columns()) == {"x", "reynolds", "t", "p"}
    grid = solution.on_grid(4, reynolds=33.0)
    assert grid["p"].shape == (4, 4)
    assert list(grid.axes) == ["x", "t"]
    assert solution.on_grid(4)["p"].shape == (4, 4, 4)
    with pytest.warns(UserWarning, match=r"1 of 1 points lie outside .*reynolds=\(20, 80\)"):
        solution([[0.5, 1.5]], reynolds=90)


@pytest.mark.parametrize(
    ("ask", "line"),
    [
        (lambda s: s(torch.rand(5, 2)), r"must have 3, for \(x, reynolds, t\); or give reynolds=…"),
        (lambda s: s({"x": 1.0, "t": 1.5}), "no column 'reynolds'; or give reynolds=… beside"),
        (lambda s: s(torch.rand(5, 2), reynold=40), "'reynold' is no parameter.*mean 'reynolds'"),
        (lambda s: s(torch.rand(5, 2), reynolds=[1.0, 2.0]), r"shape \(2,\) for points \(5,\)"),
        (lambda s: s(torch.rand(5, 2), reynolds=math.nan), "reynolds = nan"),
        (lambda s: s(torch.rand(5, 3), reynolds=40), r"must have 2, for \(x, t\)"),
        (lambda s: s({"x": 1.0, "t": 1.5, "reynolds": 40}, reynolds=40), "is given twice"),
        (lambda s: s.on_grid(4, reynolds=40), r"write reynolds=40\.0 for the value"),
        (lambda s: s.on_grid(4).to_vtk("never.vti"), "4 values of reynolds do not fit"),
    ],
)
def test_what_is_asked_wrongly_is_told_in_one_line(ask, line):
    with pytest.raises(ValueError, match=line) as said:
        ask(pressures())
    assert "\n" not in str(said.value)


def test_a_problem_without_ranges_takes_no_parameter():
    with pytest.raises(ValueError, match=r"'k' is no parameter of the problem.*it has no ranges"):
        Solution(Decay(0.7), MLP(4, 1))([0.5], k=1.0)


def test_the_command_line_gives_parameters_beside_the_points(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    solution = pinn.fit(
        Kovasznay(None, ranges=RE),
        MLP(8, 1, spread=2.0),
        [Phase(1, "LevenbergMarquardt", train="output")],
        points={"interior": 100, "boundary": 40},
        folder="runs",
        seed=3,
    )
    path = str(newest_first(only(tmp_path / "runs") / "checkpoints")[0])
    (tmp_path / "p.csv").write_text("x,y\n0.1,0.2\n0.3,0.4\n")

    def run(*arguments):
        code = main(["predict", "--ckpt_path", path, "--output", "out.csv", *arguments])
        return code, capsys.readouterr()

    assert run("--points", "p.csv", "--at", "reynolds=40")[0] == 0
    rows = np.genfromtxt("out.csv", delimiter=",", names=True)
    known = solution([[0.1, 0.2], [0.3, 0.4]], reynolds=40)
    np.testing.assert_allclose(rows["p"], known["p"], rtol=1e-6)
    assert run("--grid", "5", "--at", "reynolds=40")[0] == 0
    assert len(np.genfromtxt("out.csv", delimiter=",", names=True)) == 25
    for arguments, line in (
        (["--points", "p.csv"], "no column 'reynolds'.*or --at reynolds=1.0"),
        (["--points", "p.csv", "--at", "re=40"], "--at gives 're': parameters.*are reynolds"),
        (["--points", "p.csv", "--at", "reynolds"], "give each parameter one number"),
        (["--grid", "5,reynolds=30.0", "--at", "reynolds=40"], "give it once"),
    ):
        code, said = run(*arguments)
        assert code == 2
        assert pytest.importorskip("re").search(line, said.err + said.out)


def test_figures_show_low_middle_and_high_values():
    problem = Kovasznay(None, ranges=RE)
    solution = Solution(problem, MLP(4, 1))
    predict = lambda at: component_values(solution, at.float())  # noqa: E731
    figures = draw(problem, problem.reference(), predict)
    assert set(figures) == {"u", "v", "p", "streamlines"}
    labels = " ".join(ax.get_ylabel() for ax in figures["p"].axes)
    for value in (20, 50, 80):
        assert f"reynolds = {value}" in labels
    assert "shown at reynolds = 50" in figures["streamlines"].get_suptitle()
    single = Decay(ranges={"k": (0.5, 2)})
    line = Solution(single, MLP(4, 1))
    (figure,) = draw(
        single, single.reference(), lambda at: component_values(line, at.float())
    ).values()
    legend = [t.get_text() for ax in figure.axes if ax.get_legend() for t in ax.get_legend().texts]
    assert legend == ["k = 0.5", "k = 1.25", "k = 2"]


def test_mass_is_balanced_at_each_value():
    def flow(x, y, re):
        return torch.stack([x * (re - 50), 0 * y, 0 * x], -1)  # ∇·u = Re − 50, zero in the mean

    solution = Solution(Kovasznay(None, ranges=RE), Given(flow))
    assert mass_balance(solution, ("u", "v")) == pytest.approx(math.sqrt(2 / 3) * 30, rel=1e-9)


# --- what a class may say


def declare(body, base=Decay):
    return type("Wrong", (base,), dict(body))


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"ranges": ["k"]}, r"Wrong.ranges is \['k'\]: write names and bounds"),
        ({"ranges": {"2k": (0, 1)}}, "has the name '2k': write one such as"),
        ({"ranges": {"lambda": (0, 1)}}, "has the name 'lambda': write one such as"),
        ({"ranges": {"x": (0, 1)}}, "'x', which is another argument of its residuals"),
        ({"ranges": {"u": (0, 1)}}, "'u', which is another argument"),
        ({"ranges": {"normal": (0, 1)}}, "'normal', which is another argument"),
        ({"ranges": {"t": (0, 1)}}, "'t', which means time: give the geometry a time interval"),
        ({"ranges": {"parameters": (0, 1)}}, "'parameters', which means the weights"),
        ({"ranges": {"start": (0, 1)}}, "'start', which is a method or property"),
        ({"ranges": {"k": (0, 1)}, "k": 40.0}, r"k of Wrong is 40.0 and has the range \(0, 1\)"),
        ({"ranges": {"k": (1, 1)}}, r"ranges\['k'\] is \(1, 1\): give two finite numbers"),
        ({"ranges": {"k": (0, math.inf)}}, "give two finite numbers that increase"),
        ({"ranges": {"k": 3}}, "give two finite numbers that increase"),
        ({"ranges": {"k": "ab"}}, "give two finite numbers that increase"),
        ({"ranges": {"k": (0, 1, 2)}}, "give two finite numbers that increase"),
    ],
)
def test_a_wrong_range_is_told_as_the_class_is_read(body, line):
    with pytest.raises(TypeError, match=line) as said:
        declare(body)
    assert "\n" not in str(said.value)


def test_a_number_never_hides_behind_a_range():
    ranges = {"k": (0.5, 2)}
    with pytest.raises(TypeError, match=r"k of Decay is 0.7 and has the range \(0.5, 2.0\)"):
        Decay(0.7, ranges=ranges)
    problem = Decay(ranges=ranges)
    for value in (3.0, nn.Parameter(torch.ones(()))):
        with pytest.raises(TypeError, match="give the number or the range"):
            problem.k = value
    with pytest.raises(ValueError, match=r"self\.k of Decay is a coordinate, with a value at each"):
        print(problem.k)
    with pytest.raises(ValueError, match=r"self\.k of Decay is a coordinate"):
        problem.register_buffer("k", torch.ones(()))
    with pytest.raises(ValueError, match=r"reynolds is 40.0 and has the range.*reynolds=None"):
        Kovasznay(ranges=RE)
    with pytest.raises(ValueError, match="reynolds is missing"):
        Kovasznay(None)
    with pytest.raises(ValueError, match=r"lower bound of reynolds is -1.0: it must be a positive"):
        Kovasznay(None, ranges={"reynolds": (-1, 2)})
    staged = Decay(ranges=ranges)
    staged.stages = [{"k": 1.0}]
    with pytest.raises(TypeError, match="give the number or the range"):
        staged.enter(0)
    with pytest.raises(ValueError, match=r"Heat.balance asks for 'a', which has no range here"):
        Heat(ranges={})
    with pytest.raises(ValueError, match="k"):
        left_over(Decay())


def test_a_range_goes_through_a_checkpoint_and_a_configuration():
    problem = Kovasznay(None, "pin", RE)
    again = build(spec_of(problem))
    assert again.ranges == problem.ranges == {"reynolds": (20.0, 80.0)}
    assert again.geometry.upper == problem.geometry.upper == (1.0, 1.5, 80.0)
    assert isinstance(Geometry(("x",), (0,), (1,)).with_ranges(RE), Geometry)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Kovasznay().reynolds == 40.0
