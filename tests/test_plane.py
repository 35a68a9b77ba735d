"""Shapes in the plane: booleans, quadrature, normals and distances, against other ways."""

import math
import random

import numpy as np
import pytest
import torch

from pinn.geometry.plane import (
    PlaneShape,
    difference,
    disc,
    ellipse,
    intersection,
    moved,
    outline,
    polygon,
    union,
)
from pinn.geometry.shape import Pick

BOOLEANS = {
    "|": (union, "union"),
    "&": (intersection, "intersection"),
    "-": (difference, "difference"),
}


def moments(shape, n=10_000):
    """Area and first moments, by the quadrature."""
    points = shape.rule(n)
    weights = points.weights * (shape.measure / len(points))
    return [float(weights.sum()), *(weights @ points.at).tolist()]


def around(shape, function, n=4_000):
    """∮ f(points, normals) ds, by the quadrature of the boundary."""
    total = 0.0
    for part in shape.parts.values():
        points = part.rule(n)
        values = function(points.at, points.normal)
        total = total + points.weights @ values * (part.measure / len(points))
    return total


def perimeter(shape):
    return sum(part.measure for part in shape.parts.values())


def tensor(points):
    return torch.tensor(points, dtype=torch.float64)


def channel():
    return difference(outline((0, 0), (2.2, 0.41)), disc((0.2, 0.2), 0.05, "cylinder"))


# --- thirty random trees against shapely


def random_leaf(rng, straight, shapely):
    """A shape, and the same for shapely, of 2,000 chords where it is bent."""
    centre = np.array([rng.uniform(-1, 1), rng.uniform(-1, 1)])
    angle = rng.uniform(0, 3)
    a, b = rng.uniform(0.3, 1), rng.uniform(0.3, 1)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    around = np.linspace(0, 2 * math.pi, 2_000, endpoint=False)
    ring = np.stack([np.cos(around), np.sin(around)], axis=1)
    kind = rng.choice(["rectangle", "polygon"] if straight else ["disc", "ellipse", "polygon"])
    if kind == "disc":
        return disc(centre, a), shapely.Polygon(centre + a * ring)
    if kind == "ellipse":
        return ellipse(centre, (a, b), angle), shapely.Polygon(centre + ring * [a, b] @ turn.T)
    if kind == "rectangle":
        corners = np.array([[-a, -b], [a, -b], [a, b], [-a, b]])
        shape = moved(
            outline(np.subtract(centre, (a, b)), np.add(centre, (a, b))), angle=angle, about=centre
        )
        return shape, shapely.Polygon(centre + corners @ turn.T)
    n = rng.randint(3, 8)
    angles = [(i + rng.uniform(-0.4, 0.4)) * 2 * math.pi / n for i in range(n)]
    points = [centre + rng.uniform(0.3, 1) * np.array([math.cos(t), math.sin(t)]) for t in angles]
    return polygon(points), shapely.Polygon(points)


def random_tree(rng, depth, straight, shapely):
    if depth == 0:
        return random_leaf(rng, straight, shapely)
    one, other = (random_tree(rng, depth - 1, straight, shapely) for _ in range(2))
    operation = rng.choice("||--&")
    judge = getattr(one[1], BOOLEANS[operation][1])(other[1])
    if judge.area < 1e-3 or (operation == "-" and one[1].intersection(other[1]).area < 1e-3):
        operation, judge = "|", one[1].union(other[1])
    return BOOLEANS[operation][0](one[0], other[0]), judge


@pytest.mark.parametrize("seed", range(30))
def test_random_trees_have_the_area_perimeter_and_moments_that_shapely_finds(seed):
    shapely = pytest.importorskip("shapely")
    rng, straight = random.Random(seed), seed % 3 == 0
    shape, judge = random_tree(rng, 2 + seed % 3, straight, shapely)
    exact = 1e-12 if straight else 1e-3
    assert shape.measure == pytest.approx(judge.area, rel=exact)
    assert perimeter(shape) == pytest.approx(judge.length, rel=exact)
    x, y = judge.centroid.coords[0]
    assert moments(shape)[1:] == pytest.approx([x * judge.area, y * judge.area], abs=exact * 4)

    points = shape.rule(10_000)
    assert 8_000 < len(points) < 11_000
    assert (points.weights > 0).all()
    assert shape.contains(points.at).all()
    assert around(shape, lambda at, normal: normal).abs().max() < 1e-10
    # div (x³ + x y, x y² − y) = 3 x² + y + 2 x y − 1
    (x, y), weights = points.at.T, points.weights * (shape.measure / len(points))
    inside = float(weights @ (3 * x**2 + y + 2 * x * y - 1))
    flux = around(
        shape,
        lambda at, normal: (
            normal[:, 0] * (at[:, 0] ** 3 + at[:, 0] * at[:, 1])
            + normal[:, 1] * (at[:, 0] * at[:, 1] ** 2 - at[:, 1])
        ),
    )
    assert inside == pytest.approx(float(flux), abs=1e-11 if straight else 1e-7)

    at = np.random.default_rng(seed).uniform(-2.5, 2.5, (500, 2))
    gap = shapely.distance(judge.boundary, shapely.points(at))
    sign = np.where(shapely.contains(judge, shapely.points(at)), -1, 1)
    slack = 1e-12 if straight else 1e-4  # of chords, and of where they cross
    assert shape.distance(tensor(at)).numpy() == pytest.approx(sign * gap, abs=slack)
    clear = gap > slack
    assert (shape.contains(tensor(at)).numpy() == (sign < 0))[clear].all()


# --- shapes that touch


def test_a_channel_with_a_cylinder():
    shape = channel()
    assert list(shape.parts) == ["bottom", "right", "top", "left", "cylinder"]
    lengths = [part.measure for part in shape.parts.values()]
    assert lengths == pytest.approx([2.2, 0.41, 2.2, 0.41, 0.1 * math.pi], rel=1e-15)
    hole = math.pi * 0.05**2
    assert shape.measure == pytest.approx(2.2 * 0.41 - hole, rel=1e-15)
    expected = 2.2 * 0.41 * 1.1 - hole * 0.2, 2.2 * 0.41 * 0.205 - hole * 0.2
    assert moments(shape)[1:] == pytest.approx(expected, rel=1e-9)
    assert (shape.distance(shape.rule(10_000).at) < 0).all()
    at, normal, _ = shape.parts["cylinder"].place(torch.rand(100, 1, dtype=torch.float64))
    assert torch.allclose(normal, (0.2 - at) / 0.05, atol=1e-13)  # into the hole


@pytest.mark.parametrize("angle", [0, 0.3])
def test_a_step_is_two_rectangles_that_share_part_of_an_edge(angle):
    halves = outline((0, 1), (1, 2)), outline((1, 0), (3, 2))
    step = union(*(moved(half, angle=angle, about=(0.7, 0.1)) for half in halves))
    assert step.measure == pytest.approx(5, rel=1e-14)
    lengths = {name: part.measure for name, part in step.parts.items()}
    assert lengths == pytest.approx({"left": 2, "right": 2, "bottom": 3, "top": 3}, rel=1e-14)
    at = step.rule(100).at
    back = moved(step, angle=-angle, about=(0.7, 0.1))
    assert step.contains(at).all()
    assert back.contains(tensor([[1, 1.5], [0.5, 0.5], [1, 0.5]])).tolist() == [True, False, True]


def test_union_and_intersection_have_the_sum_of_both_areas():
    one, other = ellipse((0, 0), (2, 1), 0.3), disc((2, 0), 1)
    both = union(one, other).measure + intersection(one, other).measure
    assert both == pytest.approx(3 * math.pi, rel=1e-14)


def test_what_is_taken_twice_is_itself():
    for shape in (disc((0.3, 0.1), 0.7), ellipse((0, 1), (2, 1), 0.4), outline((0, 0), (1, 2))):
        turned = (
            moved(shape, angle=math.pi / 2, about=(0.3, 0.1)) if len(shape.parts) < 4 else shape
        )
        same = [shape, turned] if shape.measure == pytest.approx(0.49 * math.pi) else [shape]
        for other in same:
            for boolean in (union, intersection):
                result = boolean(shape, other)
                assert result.measure == pytest.approx(shape.measure, rel=1e-14)
                assert perimeter(result) == pytest.approx(perimeter(shape), rel=1e-14)
            with pytest.raises(ValueError, match="nothing is left"):
                difference(shape, other)


def test_discs_that_touch():
    pair = union(disc((0, 0), 1), disc((1.5, 0), 0.5))
    assert pair.measure == pytest.approx(1.25 * math.pi, rel=1e-14)
    assert moments(pair)[1] == pytest.approx(0.25 * math.pi * 1.5, rel=1e-7)
    crescent = difference(disc((0, 0), 1), disc((0.5, 0), 0.5, "hole"))
    assert crescent.measure == pytest.approx(0.75 * math.pi, rel=1e-14)
    assert moments(crescent)[1] == pytest.approx(-0.25 * math.pi * 0.5, rel=1e-8)
    assert crescent.parts["hole"].measure == pytest.approx(math.pi, rel=1e-14)
    with pytest.raises(ValueError, match="does not meet the domain"):
        difference(disc((0, 0), 1), disc((1.5, 0), 0.5))


@pytest.mark.parametrize(
    "shift", [0, 1e-16, 1e-14, 3e-13, 1e-12, 2e-12, 1e-11, 1e-9, -1e-13, -1e-9]
)
def test_almost_touching_is_as_good_as_touching(shift):
    half = outline((1 + shift, 0), (2, 1))
    assert union(outline((0, 0), (1, 0.5)), half).measure == pytest.approx(1.5, abs=1e-8)
    pair = union(disc((0, 0), 1), disc((2 + shift, 0), 1))
    assert pair.measure == pytest.approx(2 * math.pi, rel=1e-9)
    assert moments(pair)[1] == pytest.approx(2 * math.pi, rel=1e-8)


def test_a_hole_may_cut_the_wall():
    notched = difference(outline((0, 0), (2, 1)), disc((1, 0), 0.5, "notch"))
    assert notched.measure == pytest.approx(2 - math.pi / 8, rel=1e-14)
    assert notched.parts["bottom"].measure == pytest.approx(1, rel=1e-14)
    assert notched.parts["notch"].measure == pytest.approx(math.pi / 2, rel=1e-14)
    block = difference(outline((0, 0), (2, 1)), outline((1, 0), (1.5, 0.5)))
    assert block.measure == 1.75
    assert {name: part.measure for name, part in block.parts.items()} == {
        "bottom": 1.5,
        "right": 1.5,
        "top": 2.5,
        "left": 1.5,
    }
    # What the hole has taken of the wall is not in the shape, though both had it as boundary.
    ground = tensor([[0.5, 0], [1, 0], [1.25, 0], [1.5, 0], [1.25, 0.5]])
    assert block.contains(ground).tolist() == [True, True, False, True, True]


def test_fifty_holes_and_shapes_far_from_the_origin():
    plate = outline((0, 0), (10, 10))
    for k in range(49):
        plate = difference(plate, disc((0.7 + 1.4 * (k % 7), 0.7 + 1.4 * (k // 7)), 0.4, f"h{k}"))
    assert plate.measure == pytest.approx(100 - 49 * math.pi * 0.16, rel=1e-13)
    assert len(plate.parts) == 53
    far = moved(plate, shift=(1e3, -1e3))
    assert far.measure == pytest.approx(plate.measure, rel=1e-11)
    at = 10 * torch.rand(1_000, 2, dtype=torch.float64)
    there = far.contains(at + tensor([1e3, -1e3]))
    assert (plate.contains(at) == there).float().mean() > 0.999
    assert (plate.distance(at) < 0).equal(plate.contains(at))


# --- normals, distances, points on the boundary


SHAPES = {
    "cylinder": channel(),
    "ellipse": ellipse((0.3, -0.2), (1.5, 0.4), 0.7),
    "lens": intersection(disc((0, 0), 1), ellipse((0.8, 0.1), (1, 0.6), -0.4)),
    "step": union(outline((0, 1), (1, 2)), outline((1, 0), (3, 2))),
    "smooth": polygon([(0, 0), (2, -0.5), (2.5, 1), (1.2, 0.7), (0, 1.5)], smooth=True, corners=()),
    "bitten": difference(polygon([(0, 0), (2, 0), (1, 2)]), ellipse((1, 0), (0.4, 0.7), 0.2)),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_normal_is_the_gradient_of_the_distance(shape):
    h = 1e-6
    for part in shape.parts.values():
        shares = 0.02 + 0.96 * torch.rand(50, 1, dtype=torch.float64)
        at, normal, kept = part.place(shares)
        assert kept is None
        assert shape.distance(at).abs().max() < 1e-14
        assert part.distance(at).max() < 1e-14
        assert shape.contains(at).all()
        out, back = shape.distance(at + h * normal), shape.distance(at - h * normal)
        # Near a corner another piece is nearer.
        straight = (out - h).abs() + (back + h).abs() < 1e-10
        assert straight.double().mean() > 0.9
        along = torch.stack([-normal[:, 1], normal[:, 0]], dim=1)
        aside = shape.distance(at + h * along) - shape.distance(at - h * along)
        assert (aside[straight].abs() < 1e-5 * h + 1e-10).all()


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_the_distance_is_that_of_the_nearest_of_many_points(shape):
    share = np.linspace(0, 1, 4_001)
    many = tensor(np.concatenate([piece.curve.at(share) for piece in shape.pieces]))
    at = 4 * torch.rand(400, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)) - 1
    nearest = torch.cdist(at, many, compute_mode="donot_use_mm_for_euclid_dist").amin(1)
    gap = shape.distance(at).abs()
    assert (gap <= nearest + 1e-14).all()
    assert (nearest**2 - gap**2 < 1e-5).all()


def test_points_are_even_in_arc_length():
    part = ellipse((0, 0), (5, 0.5)).parts[""]
    at, _, _ = part.place(torch.arange(2_001, dtype=torch.float64)[:, None] / 2_000)
    steps = (at[1:] - at[:-1]).norm(dim=1)
    assert steps.sum() == pytest.approx(part.measure, rel=1e-4)
    # A chord is shorter than its arc, at the tips by (κ s)² / 24, κ = 20.
    assert (steps / (part.measure / 2_000) - 1).abs().max() < 2e-3
    # Ramanujan's formula is exact to 1e-3 at this eccentricity; the integral is scipy's.
    from scipy.special import ellipe

    assert part.measure == pytest.approx(20 * ellipe(1 - 0.01), rel=1e-13)


# --- the order of the quadrature


def test_polygons_are_exact_for_polynomials():
    shape = difference(polygon([(0, 0), (2, 0.3), (1.5, 2)]), outline((1, 0.5), (1.3, 0.8)))
    few, many = (shape.rule(n) for n in (2_000, 20_000))
    for p, q in [(2, 0), (1, 1), (0, 2), (3, 3), (6, 2)]:
        values = [
            float((r.weights * r.at[:, 0] ** p * r.at[:, 1] ** q).mean()) for r in (few, many)
        ]
        # 2 × 2 points are exact for degree 2; the cells of most of the area have more.
        assert values[0] == pytest.approx(values[1], rel=1e-13 if p + q <= 2 else 1e-6)


def test_arcs_converge_as_fast_as_gauss_rule():
    shape = difference(ellipse((0, 0), (2, 1), 0.5), disc((0.3, 0), 0.4))
    exact = float(((r := shape.rule(80_000)).weights * (r.at[:, 0] * 2).exp()).mean())
    errors = []
    for n in (50, 200, 800, 3_200):
        points = shape.rule(n)
        assert n / 2 < len(points) < 2 * n
        errors.append(abs(float((points.weights * (points.at[:, 0] * 2).exp()).mean()) - exact))
    assert errors[0] < 1e-2
    assert errors[1] < 1e-3
    assert errors[2] < 1e-5
    assert errors[3] < 1e-8


def test_few_points_are_few():
    assert 20 < len(channel().rule(30)) < 45
    assert len(channel().parts["cylinder"].rule(16)) == 16
    assert len(channel().rule(1)) <= 20


# --- picking


def test_a_part_is_picked_by_coordinates_edges_and_functions():
    shape = channel()
    walls = ["left", "right", "top", "bottom"]
    assert shape.pick(walls, Pick({0: (0, 0)})).measure == 0.41
    middle = shape.pick(walls, Pick({0: (0.5, 1.5), 1: (0.4, 0.5)}))
    assert middle.measure == pytest.approx(1, rel=1e-14)
    front = shape.pick(["cylinder"], Pick(where=lambda at: at[:, 0] < 0.2))
    assert front.measure == pytest.approx(0.05 * math.pi, rel=1e-12)
    assert front.rule(20).at[:, 0].max() < 0.2
    corner = shape.pick(["cylinder"], Pick({0: (0.2, 1), 1: (0.2, 1)}))
    assert corner.measure == pytest.approx(0.025 * math.pi, rel=1e-12)


def test_edges_keep_their_numbers():
    clockwise = [(0, 0), (0, 2), (2, 2), (2, 0)]
    for points in (clockwise, clockwise[::-1]):
        shape = polygon(points, "wall")
        for k in range(4):
            at = shape.pick(["wall"], Pick(segments=(k,))).rule(4).at
            middle = (np.array(points[k]) + points[(k + 1) % 4]) / 2
            assert at.mean(0).tolist() == pytest.approx(middle.tolist())
        bitten = difference(shape, disc(((points[0][0] + points[1][0]) / 2, 1), 0.5))
        number = next(k for k in range(4) if points[k][0] == points[(k + 1) % 4][0] == points[0][0])
        left = bitten.pick(["wall"], Pick(segments=(number,)))
        assert left.measure == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (Pick({0: (3, 3)}), "lies on x = 3: straight pieces lie on x = 0, 2.2"),
        (Pick({1: (1, 2)}), "lies between y = 1 and 2: it reaches from y = 0 to 0.41"),
        (Pick(segments=(7,)), r"number of \(7,\): it has the edges 0 to 3"),
        (Pick(where=lambda at: at[:, 0] > 5), "true nowhere"),
        (Pick(where=lambda at: at > 5), r"must give a mask \(256,\)"),
    ],
)  # fmt: skip
def test_a_choice_that_leaves_nothing_is_one_line(choice, message):
    with pytest.raises(ValueError, match=message) as caught:
        channel().pick(list(channel().parts), choice)
    assert "\n" not in str(caught.value)


# --- motion


def test_motion_is_exact():
    shape = difference(outline((0, 0), (2, 1)), ellipse((1, 0.5), (0.6, 0.2), 0.3, "hole"))
    turned = moved(shape, shift=(5, 1), angle=0.4, factor=3, about=(1, 1))
    assert turned.measure == pytest.approx(9 * shape.measure, rel=1e-14)
    assert turned.parts["hole"].measure == pytest.approx(3 * shape.parts["hole"].measure, rel=1e-13)
    at = 2 * torch.rand(200, 2, dtype=torch.float64)
    c, s = math.cos(0.4), math.sin(0.4)
    there = 3 * (at - 1) @ tensor([[c, s], [-s, c]]) + 1 + tensor([5, 1])
    assert torch.allclose(turned.distance(there), 3 * shape.distance(at), atol=1e-13)
    quarter = moved(outline((0, 0), (2, 1)), angle=math.pi / 2)
    assert (quarter.lower, quarter.upper) == ((-1, 0), (0, 2))


# --- aerofoils


def naca(n=60):
    """NACA 0012 with a closed trailing edge, from there over the top."""
    x = 0.5 * (1 + np.cos(np.linspace(0, math.pi, n)))
    root = 0.2969 * np.sqrt(x) - 0.1260 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1036 * x**4
    y = 0.6 * root
    y[0] = 0.0
    return np.concatenate([np.stack([x, y], 1), np.stack([x, -y], 1)[-2:0:-1]])


def test_a_naca_aerofoil_from_points():
    points = naca()
    foil = polygon(points, "foil", smooth=True)
    # 2 ∫ y dx: of 0.6 (0.2969 x^½ − …), from 0 to 1.
    area = 1.2 * (0.2969 / 1.5 - 0.1260 / 2 - 0.3516 / 3 + 0.2843 / 4 - 0.1036 / 5)
    assert foil.measure == pytest.approx(area, rel=2e-6)
    normal = around(foil, lambda at, normal: normal)
    assert normal.abs().max() < 1e-10
    # Straight edges miss what is between the chords.
    assert abs(polygon(points).measure - area) > 100 * abs(foil.measure - area)
    flow = difference(outline((-1, -1), (3, 1)), moved(foil, angle=-0.1))
    assert flow.measure == pytest.approx(8 - foil.measure, rel=1e-13)
    assert moments(flow)[0] == pytest.approx(flow.measure)
    points = flow.rule(10_000)
    assert flow.contains(points.at).all()
    assert len(points) < 11_000


def test_a_joukowski_aerofoil_ends_in_a_cusp():
    centre, angle = complex(-0.1, 0.1), np.linspace(0, 2 * math.pi, 121)[:-1]
    radius, phase = abs(1 - centre), np.angle(1 - centre)
    circle = centre + radius * np.exp(1j * (angle + phase))
    circle[0] = 1
    z = circle + 1 / circle
    foil = polygon(np.stack([z.real, z.imag], axis=1), "foil", smooth=True)
    # Green's theorem on the exact curve, by the trapezoidal rule.
    t = np.linspace(0, 2 * math.pi, 4_001)[:-1]
    fine = centre + radius * np.exp(1j * t)
    slope = (1 - fine**-2) * 1j * radius * np.exp(1j * t) * (2 * math.pi / 4_000)
    area = 0.5 * float(((fine + 1 / fine).conj() * slope).imag.sum())
    assert foil.measure == pytest.approx(area, rel=1e-5)
    assert perimeter(foil) == pytest.approx(float(np.abs(slope).sum()), rel=1e-5)
    assert foil.pick(["foil"], Pick(segments=(0, 119))).measure < 0.02 * perimeter(foil)
    assert isinstance(intersection(foil, disc((2, 0), 0.5)), PlaneShape)


# --- what is refused


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: polygon([(0, 0), (1, 0)]), "at least 3 points, got 2"),
        (lambda: polygon([(0, 0), (1, 0), (1, 0), (0, 1)]), r"points 1 and 2 .* are the same"),
        (lambda: polygon([(0, 0), (1, 1), (1, 0), (0, 1)]), r"0 and 2 .* meet at \(0.5, 0.5\)"),
        (lambda: polygon([(0, 0), (2, 0), (1, 0), (1, 1)]), "edges 0 and 1 of the polygon meet"),
        (lambda: polygon([(0, 0), (2, 0), (2, 2), (1, 0), (0, 2)]), "edges 0 and 2 .* meet"),
        (lambda: polygon([(0, 0), (1, 1), (2, 2)]), "meet|no area"),
        (lambda: polygon([(0, 0), (1, math.nan), (1, 0)]), "point 1 of the polygon is not finite"),
        (lambda: polygon([(0, 0), (1, 1), (1, 0)], ["a", "b"]), "one name or 3, got 2"),
        (lambda: polygon([1, 2, 3]), "pairs of numbers"),
        (lambda: polygon([(0, 0), (1, 0), (0, 1)], smooth=True, corners=(3,)), "points are 0 to 2"),
        (lambda: disc((0, 0), 0), "radius of a disc must be finite and above 0, got 0"),
        (lambda: disc((0, math.inf), 1), "centre of disc must be two finite numbers"),
        (lambda: ellipse((0, 0), (1, -2)), r"two semi-axes, finite and above 0, got \(1, -2\)"),
        (lambda: outline((0, 0), (0, 1)), "lower bounds must be below upper ones"),
        (
            lambda: difference(outline((0, 0), (1, 1)), disc((3, 0), 1)),
            "the hole does not meet the domain: the hole has x from 2 to 4",
        ),
        (
            lambda: difference(outline((0, 0), (1, 1)), disc((0, 0), 3)),
            "nothing is left: the hole with x from -3 to 3",
        ),
        (
            lambda: intersection(outline((0, 0), (1, 1)), outline((1, 0), (2, 1))),
            "the shapes have no area in common",
        ),
        (lambda: moved(disc((0, 0), 1), factor=0), "factor must be finite and above 0, got 0"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line(make, message):
    with pytest.raises(ValueError, match=message) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_a_union_may_be_apart_and_a_ring_may_be_closed():
    apart = union(disc((0, 0), 1), disc((5, 0), 1))
    assert apart.measure == pytest.approx(2 * math.pi)
    assert apart.contains(tensor([[0, 0], [2.5, 0], [5, 0]])).tolist() == [True, False, True]
    closed = polygon([(0, 0), (1, 0), (1, 1), (0, 0)])
    assert closed.measure == 0.5
