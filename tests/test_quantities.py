"""Quantities: numbers made of integrals over named regions, against exact values."""

import math
from typing import ClassVar

import pytest
import torch
from short import fit, only
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import pinn
from pinn import dn, integral, mean, quantity, traction, value, vector
from pinn.checkpoints.file import read
from pinn.checkpoints.names import newest_first
from pinn.cli.predict import quantity_lines
from pinn.geometry import Box, Disc, Interval, Rectangle
from pinn.networks import MLP
from pinn.physics.problem import Problem
from pinn.physics.residuals import on
from pinn.solution.plans import plan_regions
from pinn.solution.solution import Solution

NU, G, L, H = 0.1, 0.8, 2.0, 1.5
UNITS = {"u": ("u", "v"), "p": 1, "T": 1}


class Known(Problem):
    """A problem whose ansatz is a known solution: Poiseuille flow, and a linear temperature."""

    coordinates, unknowns, outputs = ("x", "y"), UNITS, {"w": 1}
    geometry = Rectangle(x=(0.0, L), y=(0.0, H)).named(walls=("bottom", "top"))
    nu = NU

    def ansatz(self, raw, at):
        x, y, zero = at[:, 0], at[:, 1], 0.0 * raw["w"]
        flow = vector(G / (2 * NU) * y * (H - y) + zero, zero)
        return {"u": flow, "p": G * (L - x) + zero, "T": 3.0 - 2.0 * y / H + zero}

    @on("interior")
    def any(self, u, p, T):
        return u[:, 0] + p + T


def values_of(body, base=Known, **geometry):
    """The quantities of a problem with these methods, in float64."""
    torch.manual_seed(0)
    problem = type("Made", (base,), body)(**geometry)
    return Solution(problem, MLP(4, 1)).double().quantities()


def one(method, base=Known, **geometry):
    """The value of a single one."""
    found = values_of({"number": quantity(method)}, base, **geometry)["number"]
    assert not found.failure, found.failure
    assert found.is_settled
    return found.value


EXACT = {
    "flow rate": (lambda self, u: integral(u[:, 0], on="right"), G * H**3 / (12 * NU)),
    "flow by the normal": (
        lambda self, u, normal: integral(normal @ u, on="left"),
        -G * H**3 / (12 * NU),
    ),
    "no flow through all": (lambda self, u, normal: integral(normal @ u, on="boundary"), 0.0),
    "drag": (lambda self, u, p: integral(-traction(u, p, self.nu)[:, 0], on="walls"), G * L * H),
    "a vector": (lambda self, u, p: integral(-traction(u, p, self.nu), on="walls")[0], G * L * H),
    "Nusselt": (lambda self, T: -integral(dn(T), on="bottom") / L * H / -2.0, 1.0),
    "mean pressure": (lambda self, p: mean(p, on="interior"), G * L / 2),
    "mass": (
        lambda self, T, x, y: integral(T * x * y**3, on="interior"),
        L**2 / 2 * (3 * H**4 / 4 - 2 * H**4 / 5),
    ),
    "at points": (lambda self, p: value(p, at=(0.5, 0.2)) - value(p, at=(1.5, 1.0)), G),
    "a vector at a point": (lambda self, u: value(u, at=(0.5, H / 2))[0], G * H**2 / (8 * NU)),
    "two regions": (
        lambda self, u, p: (
            integral(dn(p), on="right") / mean(p, on="left") + mean(u[:, 0], on="interior")
        ),
        -G * H / (G * L) + G * H**2 / (12 * NU),
    ),
    "regions in turn": (
        lambda self, p, T: sum(mean(f, on=r) for f in (p, T) for r in ("left", "top")),
        G * L + G * L / 2 + 2 + 1,
    ),
    "an integral in another": (
        lambda self, T: integral((T - mean(T, on="interior")) ** 2, on="interior"),
        L * H / 3,
    ),
    "Python's functions": (
        lambda self, T: math.sqrt(float(integral(T, on="left"))),
        math.sqrt(2 * H),
    ),
    "second derivatives": (
        lambda self, u: integral(pinn.laplacian(u[:, 0]), on="interior"),
        -G / NU * L * H,
    ),
    "no integral": (lambda self: 2.0 * self.nu, 2 * NU),
    "a coordinate": (lambda self, T, x: integral(x**2 + 0 * T, on="bottom"), L**3 / 3),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_values(name):
    method, expected = EXACT[name]
    assert one(method) == pytest.approx(expected, rel=1e-12, abs=1e-12)


class Pulse(Problem):
    """u = x² t on an interval in time."""

    coordinates, unknowns, outputs = ("x", "t"), {"u": 1}, {"w": 1}
    geometry = Interval(x=(0.0, 2.0), time=(1.0, 4.0))

    def ansatz(self, raw, at):
        return {"u": at[:, 0] ** 2 * at[:, 1] + 0 * raw["w"]}

    @on("interior")
    def any(self, u):
        return u


TIMED = {
    "all of the time": (lambda self, u: integral(u, on="interior"), 8 / 3 * 7.5),
    "an instant": (lambda self, u: integral(u, on="interior", t=2.0), 16 / 3),
    "an end at an instant": (lambda self, u: integral(dn(u), on="right", t=3.0), 12.0),
    "an end": (lambda self, u: integral(dn(u), on="right"), 4 * 7.5),
    "the last instant": (lambda self, u: integral(u, on="final"), 32 / 3),
    "a mean": (lambda self, u: mean(u, on="interior"), 4 / 3 * 2.5),
    "a point": (lambda self, u: value(u, at=(1.5, 2.0)), 4.5),
}


@pytest.mark.parametrize("name", TIMED)
def test_time_is_integrated_over_unless_an_instant_is_named(name):
    method, expected = TIMED[name]
    assert one(method, Pulse) == pytest.approx(expected, rel=1e-12)


def test_all_of_a_quantity_is_at_an_instant_on_request():
    method = TIMED["all of the time"][0]
    problem = type("Made", (Pulse,), {"q": quantity(method)})()
    solution = Solution(problem, MLP(4, 1)).double()
    assert solution.quantities(t=2.0)["q"].value == pytest.approx(16 / 3, rel=1e-12)
    for wrong, line in (({"t": 5.0}, "t runs from 1 to 4"), ({"x": 1.0}, "only t can be")):
        assert line in solution.quantities(**wrong)["q"].failure


def test_the_command_line_prints_them():
    rate = quantity(reference=G * H**3 / 6 / NU)(lambda self, u: integral(u[:, 0], on="right"))
    body = {"rate": rate, "bad": quantity(lambda self, u: u), "nu_now": quantity(lambda self: NU)}
    solution = Solution(type("Made", (Known,), body)(), MLP(4, 1)).double()
    first, second, third = quantity_lines(solution, {})
    assert first == "quantity  rate 2.25 (reference 4.5, error 5.00e-01)"
    assert second.startswith("quantity  bad nan: quantity 'bad' returned Field")
    assert third == "quantity  nu_now 0.1"


class Family(Known):
    """Poiseuille flow for all viscosities."""

    ranges: ClassVar = {"viscosity": (0.1, 0.3)}

    def ansatz(self, raw, at):
        x, y, zero = at[:, 0], at[:, 1], 0.0 * raw["w"]
        flow = vector(G / (2 * self.viscosity) * y * (H - y) + zero, zero)
        return {"u": flow, "p": G * (L - x) + zero, "T": zero}

    @quantity(reference=lambda self: G * H**3 / (12 * 0.2))
    def flow_rate(self, u):
        return integral(u[:, 0], on="right")

    @quantity
    def shear(self, u):
        return self.viscosity * integral(dn(u)[:, 0], on="walls")

    @quantity
    def thin(self, u):
        return integral(u[:, 0], on="right", viscosity=0.1)

    @quantity
    def top_speed(self, u):
        return value(u, at=(0.5, H / 2))[0]


def test_a_parameter_with_a_range_has_one_value():
    torch.manual_seed(0)
    solution = Solution(Family(), MLP(4, 1)).double()
    for nu, found in ((0.2, solution.quantities()), (0.25, solution.quantities(viscosity=0.25))):
        assert not any(each.failure for each in found.values()), found
        assert found["flow_rate"].value == pytest.approx(G * H**3 / (12 * nu), rel=1e-12)
        assert found["shear"].value == pytest.approx(-G * L * H, rel=1e-12)
        assert found["thin"].value == pytest.approx(G * H**3 / (12 * 0.1), rel=1e-12)
        assert found["top_speed"].value == pytest.approx(G * H**2 / (8 * nu), rel=1e-12)
        assert found["shear"].at == {"viscosity": nu}
    assert solution.quantities()["flow_rate"].error < 1e-12


def test_a_hole_has_a_normal_into_it_and_every_shape_a_quadrature():
    """∮ p n ds over the hole = −|hole| ∇p, and ∮ u·n ds = ∫ ∇·u over what is left."""
    channel = Rectangle(x=(0.0, L), y=(0.0, H)) - Disc((0.8, 0.7), 0.25, name="cylinder")
    channel = channel.named(walls=("bottom", "top"))
    force = one(lambda self, p, normal: integral(p * normal, on="cylinder")[0], geometry=channel)
    assert force == pytest.approx(G * math.pi * 0.25**2, rel=1e-9)
    area = L * H - math.pi * 0.25**2
    mass = lambda self, p: integral(0 * p + 1, on="interior")  # noqa: E731
    assert one(mass, geometry=channel) == pytest.approx(area, rel=1e-9)
    through = lambda self, u, normal: integral(normal @ u, on="cylinder")  # noqa: E731
    assert one(through, geometry=channel) == pytest.approx(0, abs=1e-9)


def test_in_single_precision_the_sums_are_in_double():
    problem = type("Made", (Known,), {"q": quantity(EXACT["flow rate"][0])})()
    found = Solution(problem, MLP(4, 1)).quantities()["q"]
    assert found.value == pytest.approx(EXACT["flow rate"][1], rel=1e-6)
    assert found.is_settled


def test_space_has_three_coordinates():
    class Cube(Problem):
        coordinates, unknowns, outputs = ("x", "y", "z"), {"u": 3}, {"w": 1}

        def ansatz(self, raw, at):
            x, y, z = (at[:, i] ** 2 + 0 * raw["w"] for i in range(3))
            return {"u": vector(x, y, z)}

        @on("interior")
        def any(self, u):
            return u

    outward = lambda self, u, normal: integral(u @ normal, on="boundary")  # noqa: E731
    inside = lambda self, u: integral(pinn.div(u), on="interior")  # noqa: E731
    box = Box(x=(0.0, 2.0), y=(0.0, 1.0), z=(0.0, 3.0))
    found = [one(q, Cube, geometry=box) for q in (outward, inside)]
    assert found == pytest.approx([6.0 * (2 + 1 + 3)] * 2, rel=1e-11)


def test_a_gauged_pressure_is_the_one_that_the_solution_gives():
    class Gauged(Known):
        gauges: ClassVar = {"p": "zero_mean"}

        @on("interior")
        def any(self, u, p, T):
            return u[:, 0] + dn_free(p) + T

        @quantity
        def level(self, p):
            return value(p, at=(0.0, 0.0))

    def dn_free(p):
        return pinn.partial(p, "x")

    solution = Solution(Gauged(), MLP(4, 1)).double()
    expected = float(solution(torch.zeros(1, 2, dtype=torch.float64))["p"])
    assert solution.quantities()["level"].value == pytest.approx(expected, abs=1e-13)
    assert expected == pytest.approx(G * L / 2, rel=1e-12)


def test_references_are_numbers_functions_or_properties():
    def rate(**known):
        return quantity(**known)(lambda self, u: integral(u[:, 0], on="right"))

    exact = EXACT["flow rate"][1]
    found = values_of(
        {
            "flow": property(lambda self: 2 * exact * self.nu / NU),
            "number": rate(reference=exact, source="a book"),
            "function": rate(reference=lambda self: 2 * exact),
            "of_property": rate(reference=property(lambda self: self.flow)),
            "unknown": rate(reference=lambda self: None),
            "zero": rate(reference=0.0),
        }
    )
    assert found["number"].error < 1e-12
    assert found["number"].source == "a book"
    assert found["function"].error == pytest.approx(0.5)
    assert found["of_property"].reference == pytest.approx(2 * exact)
    assert (found["unknown"].reference, found["unknown"].error) == (None, None)
    assert found["zero"].error == pytest.approx(exact)  # of no size, so not relative
    assert float(found["number"]) == found["number"].value


def test_what_more_points_would_change_is_told():
    def jump(self, x, y):
        return integral(pinn.where((x - 0.8) ** 2 + (y - 0.7) ** 2 < 0.25, x, 0 * x), on="interior")

    found = values_of({"q": quantity(jump)})["q"]
    assert found.value == pytest.approx(0.8 * math.pi * 0.25, rel=1e-2)
    assert not found.is_settled
    assert found.change < 1e-2


def test_many_coordinates_are_integrated_by_quasi_random_points():
    names = tuple("abcdef")

    class Wide(Problem):
        coordinates, unknowns, outputs = names, {"u": 1}, {"w": 1}

        def ansatz(self, raw, at):
            return {"u": (at * at).sum(-1) + 0 * raw["w"]}

        @on("interior")
        def any(self, u):
            return u

        @quantity
        def mass(self, u):
            return integral(u, on="interior")

    box = pinn.Geometry(pinn.geometry.Coordinates(names), [0.0] * 6, [1.0] * 6)
    found = Solution(Wide(box), MLP(4, 1)).double().quantities()["mass"]
    assert found.value == pytest.approx(2.0, rel=1e-4)


# --- what is said


def cloud(self=None):
    sensors = {"x": [0.1, 0.5], "y": [0.2, 0.3]}
    return Known.geometry.with_points("sensors", sensors)


def test_measured_points_have_a_mean_and_no_integral():
    expected = G * (2 * L - 0.6) / 2
    assert one(lambda self, p: mean(p, on="sensors"), geometry=cloud()) == pytest.approx(expected)
    body = {"q": quantity(lambda self, p: integral(p, on="sensors"))}
    line = values_of(body, geometry=cloud())["q"].failure
    assert "on 'sensors', which are measured points, has no length" in line


WRONG = {
    "a region": (lambda self, u: integral(u[:, 0], on="lft"), "did you mean 'left'?"),
    "a field": (lambda self, p: 2 * p, r'returned Field of shape .*integral\(…, on="boundary"\)'),
    "a vector": (lambda self, u: mean(u, on="left"), r"shape \(2,\): return one of them"),
    "nothing": (lambda self, u: None, "returned nothing: return one number"),
    "no name": (lambda self, u: integral(u), r"integral in a quantity needs a region: write"),
    "no mean": (lambda self, u: mean(u), r"mean in a quantity needs a region: write mean"),
    "an instant": (
        lambda self, p: integral(p, on="left", t=1.0),
        "'t' cannot be fixed, there is no time",
    ),
    "a point outside": (lambda self, p: value(p, at=(3.0, 0.0)), "lies outside of"),
    "a point of one": (lambda self, p: value(p, at=3.0), r"give 2 coordinates, \(x, y\)"),
    "words for a point": (lambda self, p: value(p, at="left"), "give the coordinates of a point"),
    "a number": (lambda self: integral(1.0, on="left"), "integral of a float: give an unknown"),
    "several regions": (lambda self, p: mean(p, on=("left", "top")), "give the name of one region"),
    "an instant alone": (
        lambda self, p: mean(p, t=1.0),
        "an instant is a number and needs a region",
    ),
    "a slip": (lambda self, p: mean(p, on="left") + self.lost, "has no attribute 'lost'"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_one_line_before_the_first_step_and_no_loss_after(name):
    method, line = WRONG[name]
    problem = type("Made", (Known,), {"number": quantity(method)})()
    solution = Solution(problem, MLP(4, 1)).double()
    with pytest.raises(ValueError, match=r"^quantity 'number'.*" + line) as caught:
        plan_regions(solution)
    assert "\n" not in str(caught.value)
    found = solution.quantities()["number"]
    assert math.isnan(found.value)
    assert found.failure == str(caught.value)


def test_a_normal_where_there_is_none_is_told():
    inside = quantity(lambda self, T: integral(dn(T), on="interior"))
    assert "reads a normal where there is none" in values_of({"q": inside})["q"].failure


def test_outside_of_a_problem_a_region_means_nothing():
    fields, _ = Solution(Known(), MLP(4, 1)).double().fields(Known.geometry.sample("left", 3).at)
    with pytest.raises(ValueError, match="in a residual and in a method marked @quantity"):
        integral(fields["p"], on="left")


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: {"p": quantity(lambda self, u: 1.0)}, "has the name of an unknown"),
        (lambda: {"v": quantity(lambda self, u: 1.0)}, "has the name of an unknown, component"),
        (lambda: {"x": quantity(lambda self, u: 1.0)}, "component or coordinate: rename it"),
        (lambda: {"exact": quantity(lambda self, at: 1.0)}, "a method that a problem needs"),
        (lambda: {"q": quantity(lambda self, w: 1.0)}, "'q' of Made asks for 'w'"),
        (lambda: {"q": on("left")(quantity(lambda self, u: u))}, "is a residual too"),
        (lambda: {"q": quantity(on("left")(lambda self, u: u))}, "no plain method"),
        (lambda: {"q": quantity(reference="5.58")}, "the reference '5.58': give a number"),
        (lambda: {"q": quantity(5.58)}, r"write the value .* as @quantity\(reference=…\)"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(make, line):
    with pytest.raises(TypeError, match=line):
        type("Made", (Known,), make())


def test_a_subclass_inherits_replaces_and_drops():
    class Base(Known):
        first = quantity(lambda self: 1.0)
        second = quantity(lambda self: 2.0)

    class Next(Base):
        second = None
        first = quantity(reference=3.0)(lambda self: 3.0)

    assert [q.name for q in Base.quantities] == ["first", "second"]
    assert [(q.name, q.reference) for q in Next.quantities] == [("first", 3.0)]
    with pytest.raises(TypeError, match="is replaced by something else"):
        type("Made", (Base,), {"first": lambda self: 1.0})


# --- a run


class Line(Problem):
    """u'' = 0 with u(0) = 0, u(1) = 1."""

    coordinates, unknowns, geometry = ("x",), {"u": 1}, Interval()

    @on("interior")
    def balance(self, u):
        return pinn.laplacian(u)

    @on("left", "right")
    def ends(self, u, x):
        return u - x

    @quantity(reference=1.0, source="the exact line")
    def flux(self, u):
        return integral(dn(u), on="right")

    @quantity
    def amount(self, u):
        return integral(u, on="interior")

    @quantity
    def root(self, u):
        return math.sqrt(-1.0 - float(integral(u, on="interior")) ** 2)


def test_a_run_shows_logs_and_keeps_its_quantities(tmp_path, capsys):
    phases = [pinn.Phase(5, optimizer="LevenbergMarquardt")]
    solution = fit(tmp_path, *phases, problem=Line(), points={"interior": 20}, val_check_interval=2)
    out = capsys.readouterr().out
    found = solution.quantities()
    assert found["flux"].value == pytest.approx(1.0, abs=1e-2)
    assert found["amount"].value == pytest.approx(0.5, abs=1e-2)
    table = [line for line in out.splitlines() if line.startswith("│")]
    rows = [line for line in table if "flux" in line or "amount" in line]
    assert f"{found['amount'].value:.6g}" in out
    assert f"{found['flux'].error:.2e}" in rows[0]
    assert "reference of flux: the exact line" in out
    assert out.count("warning   quantity 'root'") == 1
    assert "math domain error" in out
    run = only(tmp_path)
    curves = EventAccumulator(str(run)).Reload()
    assert curves.Scalars("quantity/flux")[-1].value == pytest.approx(found["flux"].value)
    assert curves.Scalars("quantity/flux_error")[-1].value == pytest.approx(found["flux"].error)
    assert len(curves.Scalars("quantity/amount")) >= 2
    assert curves.Scalars("final/quantity/amount")
    saved = read(newest_first(run / "checkpoints")[0])["pinn"]["scores"]
    assert saved["quantity/amount"] == pytest.approx(found["amount"].value)
