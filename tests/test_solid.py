"""Solids in space: quadrature, points, normals and distances against closed forms."""

import math
import sys

import numpy as np
import pytest
import torch
import trimesh

from pinn.geometry import solid
from pinn.geometry.shape import Pick

PRIMITIVES = {
    "ball": (solid.ball((0.0, 0.0, 1.0), 2.0), 4 / 3 * math.pi * 8, 16 * math.pi),
    "cylinder": (
        solid.cylinder((1.0, 0.0, 0.0), (1.0, 1.0, 0.0), 0.5, 2.0),
        math.pi * 0.5,
        math.pi * 2.5,
    ),
    "box": (solid.moved(solid.box((0, 0, 0), (1, 2, 3)), angle=0.3, axis=(1, 1, 1)), 6.0, 22.0),
}


def field(x):
    """A cubic vector field."""
    return torch.stack(
        [x[:, 0] ** 3 + x[:, 1] * x[:, 2], x[:, 1] ** 2 * x[:, 0], x[:, 2] * x[:, 0]], 1
    )


def divergence(x):
    """Its divergence."""
    return 3 * x[:, 0] ** 2 + 2 * x[:, 1] * x[:, 0] + x[:, 0]


def interior(shape, f, n):
    """∫ f dV by the shape's rule."""
    points = shape.rule(n)
    return float((f(points.at) * points.weights).mean()) * shape.measure


def boundary(shape, f, n):
    """∮ f(x, normal) ds by the rules of the parts, for f (N,) or (N, 3)."""
    total = 0.0
    for part in shape.parts.values():
        points = part.rule(n)
        values = f(points.at, points.normal)
        weights = points.weights if values.ndim == 1 else points.weights[:, None]
        total = total + (values * weights).mean(0) * part.measure
    return total


def flux(shape, n):
    """∮ f · n ds."""
    return float(boundary(shape, lambda x, normal: (field(x) * normal).sum(1), n))


def area(shape):
    """The sum over the parts."""
    return math.fsum(part.measure for part in shape.parts.values())


@pytest.mark.parametrize("name", PRIMITIVES)
def test_a_primitive_has_exact_rules(name):
    shape, volume, surface = PRIMITIVES[name]
    assert shape.measure == pytest.approx(volume, rel=1e-14)
    assert area(shape) == pytest.approx(surface, rel=1e-14)
    assert boundary(shape, lambda x, normal: normal, 500).abs().max() < 1e-12 * surface
    assert flux(shape, 500) == pytest.approx(interior(shape, divergence, 500), rel=1e-12)
    assert shape.contains(shape.rule(500).at).all()


@pytest.mark.parametrize("name", PRIMITIVES)
def test_normals_are_the_gradient_of_the_distance(name):
    shape, _, _ = PRIMITIVES[name]
    unit = torch.rand(500, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    for part in shape.parts.values():
        at, normal, _ = part.place(unit)
        assert shape.distance(at).abs().max() < 1e-14 * 10
        assert part.distance(at).max() < 1e-14 * 10
        ends = [shape.distance(at + sign * 1e-6 * normal) for sign in (1, -1)]
        torch.testing.assert_close((ends[0] - ends[1]) / 2e-6, torch.ones(len(at)).double())


BOX = ((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0))


def meant(shape, n=10_000):
    """Volume, area, ∫ x dV and ∮ x ds by rules with n points in all."""
    inner = shape.rule(n)
    first = (inner.at * inner.weights[:, None]).mean(0) * shape.measure
    moment = torch.zeros(3, dtype=torch.float64)
    for part in shape.parts.values():
        points = part.rule(max(10, round(n * part.measure / area(shape))))
        moment += (points.at * points.weights[:, None]).mean(0) * part.measure
        assert points.weights.min() > 0
        assert float(points.weights.mean()) == pytest.approx(1)
    assert inner.weights.min() > 0
    assert shape.contains(inner.at).all()
    return shape.measure, area(shape), first, moment


def random_primitive(kind, rng):
    """A primitive, and the same by trimesh."""
    centre, axis = rng.uniform(-0.6, 0.6, 3), rng.normal(size=3)
    axis /= np.linalg.norm(axis)
    if kind == "ball":
        radius = rng.uniform(0.3, 0.7)
        judge = trimesh.creation.icosphere(5, radius=radius)
        # The triangles lie inside of the sphere: the factor gives them its volume.
        judge.apply_scale((4 / 3 * math.pi * radius**3 / judge.volume) ** (1 / 3))
        judge.apply_translation(centre)
        return solid.ball(centre, radius, "ball"), judge
    if kind == "cylinder":
        radius, height = rng.uniform(0.15, 0.5), rng.uniform(0.5, 2.0)
        ends = [centre, centre + height * axis]
        judge = trimesh.creation.cylinder(radius, segment=ends, sections=300)
        return solid.cylinder(centre, axis, radius, height, "cylinder"), judge
    if kind == "box":
        half, angle = rng.uniform(0.2, 0.8, 3), rng.uniform(0.0, 3.0)
        judge = trimesh.creation.box(2 * half)
        judge.apply_translation(centre)
        judge.apply_transform(trimesh.transformations.rotation_matrix(angle, axis))
        return solid.moved(solid.box(centre - half, centre + half), angle=angle, axis=axis), judge
    judge = trimesh.creation.box([20, 20, 20])
    judge.apply_translation([0, 0, -10])
    judge.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], axis))
    judge.apply_translation(0.5 * centre)
    return solid.half_space(0.5 * centre, axis, "cut"), judge


def random_tree(seed, kinds):
    """A box joined with primitives at random, and the same by trimesh."""
    rng = np.random.default_rng(seed)
    shape, judge = solid.box(*BOX), trimesh.creation.box([2, 2, 2])
    for kind in rng.permutation(kinds):
        operand, other = random_primitive(kind, rng)
        operations = ["intersection"] if kind == "half-space" else ["union", "difference"]
        operation = str(rng.choice(operations))
        joined = getattr(trimesh.boolean, operation)([judge, other], engine="manifold")
        if operation == "difference" and joined.volume > judge.volume - 1e-9:  # it would be refused
            operation, joined = "union", trimesh.boolean.union([judge, other], engine="manifold")
        shape, judge = getattr(solid, operation)(shape, operand), joined
    return shape, judge


def by_triangles(judge):
    """Volume, area and first moments of a mesh."""
    moment = (judge.triangles_center * judge.area_faces[:, None]).sum(0)
    first = judge.center_mass * judge.volume
    return judge.volume, judge.area, torch.from_numpy(first), torch.from_numpy(moment)


@pytest.mark.parametrize("seed", range(10))
def test_random_solids_have_the_integrals_of_fine_triangles(seed):
    shape, judge = random_tree(seed, ["ball", "cylinder", "box", "half-space"])
    volume, surface, first, moment = meant(shape)
    expected = by_triangles(judge)
    assert volume == pytest.approx(expected[0], rel=2e-4)
    assert surface == pytest.approx(expected[1], rel=5e-4)
    torch.testing.assert_close(first, expected[2], rtol=0, atol=1e-3 * volume)
    torch.testing.assert_close(moment, expected[3], rtol=0, atol=1e-3 * surface)
    assert boundary(shape, lambda x, normal: normal, 1500).abs().max() < 1e-5 * surface
    assert flux(shape, 1500) == pytest.approx(interior(shape, divergence, 4000), abs=1e-3 * volume)


def on_a_grid(tree):
    """Volume, area and first moments of unions and differences of boxes along the axes, exactly."""
    ends = np.array([end for _, *box in tree for end in box])
    lines = [np.unique(ends[:, k]) for k in range(3)]
    middles = np.stack(np.meshgrid(*(0.5 * (x[1:] + x[:-1]) for x in lines), indexing="ij"), -1)
    sizes = np.stack(np.meshgrid(*(np.diff(x) for x in lines), indexing="ij"), -1)
    full = np.zeros(middles.shape[:3], dtype=bool)
    for operation, low, high in tree:
        own = ((middles > low) & (middles < high)).all(-1)
        full = full & ~own if operation == "difference" else full | own
    volumes = sizes.prod(-1) * full
    surface, moment = 0.0, np.zeros(3)
    for k in range(3):
        wall = np.diff(np.pad(full, 1).astype(int), axis=k)
        wall = np.abs(wall[tuple(slice(None) if i == k else slice(1, -1) for i in range(3))])
        across = [i for i in range(3) if i != k]
        at, area_of = (np.take(x, [0], axis=k).repeat(len(lines[k]), k) for x in (middles, sizes))
        at[..., k] = lines[k].reshape([-1 if i == k else 1 for i in range(3)])
        areas = wall * area_of[..., across].prod(-1)
        surface += areas.sum()
        moment += (areas[..., None] * at).sum((0, 1, 2))
    return volumes.sum(), surface, (volumes[..., None] * middles).sum((0, 1, 2)), moment


@pytest.mark.parametrize("seed", range(4))
def test_boxes_are_exact(seed):
    rng = np.random.default_rng(seed)
    tree, shape = [("union", *np.array(BOX))], solid.box(*BOX)
    for operation in rng.choice(["union", "difference"], 4):
        centre, half = rng.uniform(-1, 1, 3), rng.uniform(0.2, 0.9, 3)
        tree.append((operation, centre - half, centre + half))
        shape = getattr(solid, operation)(shape, solid.box(*tree[-1][1:]))
    for value, expected in zip(meant(shape), on_a_grid(tree), strict=True):
        value, expected = (torch.as_tensor(v, dtype=torch.float64) for v in (value, expected))
        torch.testing.assert_close(value, expected, rtol=1e-12, atol=1e-11)
    turned = solid.moved(shape, (1.0, 0.0, 2.0), 0.7, 1.5, axis=(1.0, 2.0, 3.0))
    assert turned.measure == pytest.approx(1.5**3 * shape.measure, rel=1e-12)
    assert boundary(turned, lambda x, normal: normal, 300).abs().max() < 1e-12 * area(turned)
    assert flux(turned, 2000) == pytest.approx(interior(turned, divergence, 2000), rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_points_and_normals_of_booleans_are_those_of_the_primitives(seed):
    shape, _ = random_tree(seed, ["ball", "cylinder", "box", "half-space"])
    unit = torch.rand(2000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for part in shape.parts.values():
        at, normal, mask = part.place(unit)
        share = 1.0 if mask is None else float(mask.double().mean())
        assert share == pytest.approx(part.acceptance, abs=0.04)
        assert shape.distance(at).abs().max() < 1e-14
        assert part.distance(at).max() < 1e-3
        ends = [shape.distance(at + sign * 1e-6 * normal) for sign in (1, -1)]
        slopes = (ends[0] - ends[1]) / 2e-6
        assert float((slopes - 1).abs().median()) < 1e-6  # not on an edge
        assert float(((slopes - 1).abs() < 1e-6).double().mean()) > 0.99
        assert shape.contains(at - 1e-7 * normal).double().mean() > 0.999
        assert shape.contains(at + 1e-7 * normal).double().mean() < 0.001


def test_contains_follows_the_formula():
    ball = solid.ball((0.2, 0.0, 0.0), 0.7)
    tube = solid.cylinder((0.0, 0.0, -2.0), (0.0, 0.0, 1.0), 0.3, 4.0)
    shape = solid.difference(solid.union(solid.box(*BOX), solid.moved(ball, (1.0, 0, 0))), tube)
    x = 3 * torch.rand(5000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(2)) - 1
    inside = (x.abs() <= 1).all(1) | ((x - torch.tensor([1.2, 0, 0])).norm(dim=1) <= 0.7)
    inside &= x[:, :2].norm(dim=1) >= 0.3
    assert torch.equal(shape.contains(x), inside)
    assert torch.equal(shape.distance(x) <= 0, inside)


def test_a_cap_and_crossing_cylinders_in_closed_form():
    h = 0.7
    cap = solid.difference(
        solid.ball((0, 0, 0), 1.0), solid.half_space((0, 0, 0.3), (0, 0, 1), "cut")
    )
    assert cap.measure == pytest.approx(math.pi * h**2 * (3 - h) / 3, rel=2e-5)
    assert cap.parts[""].measure == pytest.approx(2 * math.pi * h, rel=2e-5)
    assert cap.parts["cut"].measure == pytest.approx(math.pi * (1 - 0.3**2), rel=2e-5)
    pipes = [solid.cylinder(-2 * np.eye(3)[k], np.eye(3)[k], 0.5, 4.0) for k in range(2)]
    assert solid.intersection(*pipes).measure == pytest.approx(16 / 3 * 0.5**3, rel=1e-4)


def test_a_motion_turns_counter_clockwise_and_scales():
    place = solid.moved(
        solid.ball((1.0, 0.0, 0.0), 0.1), (0, 0, 1), math.pi / 2, 2.0, (0.0, 0.0, 0.0)
    )
    assert place.contains(torch.tensor([[0.0, 2.0, 1.19], [0.0, 2.0, 1.21]]).double()).tolist() == [
        True,
        False,
    ]
    assert place.measure == pytest.approx(4 / 3 * math.pi * 0.2**3)


def test_names_survive_and_touching_faces_vanish():
    hole = solid.cylinder((0.0, 0.0, -1.0), (0, 0, 1), 0.5, 2.0, "pipe")
    shape = solid.difference(solid.box(*BOX), hole)
    assert list(shape.parts) == ["left", "right", "bottom", "top", "back", "front", "pipe"]
    assert shape.parts["pipe"].measure == pytest.approx(2 * math.pi, rel=1e-5)
    assert shape.parts["front"].measure == pytest.approx(4 - math.pi * 0.25, rel=1e-5)
    unnamed = solid.difference(solid.box(*BOX), solid.cylinder((0, 0, -0.5), (0, 0, 1), 0.5, 1.0))
    assert unnamed.parts[""].measure == pytest.approx(1.5 * math.pi)
    step = solid.difference(solid.box(*BOX), solid.box((-1, -1, -1), (0, 0, 1), ["step"] * 6))
    assert step.parts["step"].measure == pytest.approx(4.0)
    assert step.parts["left"].measure == pytest.approx(2.0)
    both = solid.union(solid.box(*BOX), solid.box((1, -1, -1), (2, 1, 1)))
    assert both.measure == pytest.approx(12.0)
    assert both.parts["left"].measure == both.parts["right"].measure == pytest.approx(4.0)


def test_parts_are_picked_by_coordinates_and_functions():
    ball = solid.ball((0.0, 0.0, 0.0), 1.0)
    zone = ball.pick([""], Pick({2: (0.2, 0.6)}))
    assert zone.measure == pytest.approx(0.8 * math.pi, rel=2e-5)
    heights = zone.rule(500).at[:, 2]
    assert heights.min() >= 0.2
    assert heights.max() <= 0.6
    can = solid.cylinder((0, 0, 0), (0, 0, 1), 0.5, 2.0)
    every = list(can.parts)
    assert can.pick(every, Pick({2: (2.0, 2.0)})).measure == pytest.approx(math.pi / 4)
    assert can.pick(every, Pick({2: (0.5, 2.0)})).measure == pytest.approx(1.75 * math.pi, rel=2e-5)
    box = solid.moved(solid.box(*BOX))
    window = box.pick(list(box.parts), Pick({0: (-1.0, -1.0), 1: (0.0, 0.5)}))
    assert window.measure == pytest.approx(1.0, rel=1e-14)
    half = can.pick(["side"], Pick(where=lambda x: x[:, 0] > 0))
    assert half.measure == pytest.approx(math.pi, rel=1e-3)
    assert (half.rule(200).at[:, 0] > 0).all()


@pytest.mark.parametrize(
    ("choice", "line"),
    [
        (Pick({0: (5.0, 6.0)}), "no part of this boundary lies at x = 5 to 6: it has x = -1 to 1"),
        (Pick({0: (0.5, 0.5)}), "no flat piece of this boundary lies at x = 0.5"),
        (Pick(segments=(1,)), "are those of a polygon: pick"),
        (Pick(where=lambda x: x[:, 0] > 9), "the function is true nowhere"),
        (Pick(where=lambda x: x > 0), r"must give a mask \(\d+,\) for points"),
    ],
)
def test_a_choice_of_nothing_is_refused(choice, line):
    with pytest.raises(ValueError, match=line):
        solid.ball((0, 0, 0), 1.0).pick([""], choice)


@pytest.mark.parametrize("kind", ["stl", "obj", "ascii"])
def test_a_surface_from_a_file_is_what_was_written(kind, tmp_path):
    body = trimesh.creation.icosphere(3).union(trimesh.creation.box([1, 1, 4]))
    path = tmp_path / ("body.obj" if kind == "obj" else "body.stl")
    body.export(path, file_type="stl_ascii" if kind == "ascii" else None)
    shape = solid.surface(path, "body")
    volume, surface, first, moment = meant(shape, 3000)
    assert (volume, surface) == pytest.approx((body.volume, body.area), rel=1e-6)
    expected = by_triangles(body)
    torch.testing.assert_close(first, expected[2], rtol=0, atol=1e-5)
    torch.testing.assert_close(moment, expected[3], rtol=0, atol=1e-5)
    assert boundary(shape, lambda x, normal: normal, 500).abs().max() < 1e-10
    again = solid.triangles(*solid.mesh(shape), "body")
    x = 4 * torch.rand(2000, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3)) - 2
    assert torch.equal(again.distance(x), shape.distance(x))
    assert torch.equal(windings(body.triangles, x[:500].numpy()) > 0.5, shape.contains(x[:500]))
    nearest = triangle_distance(body.triangles, x[:40].numpy())
    torch.testing.assert_close(shape.distance(x[:40]).abs(), nearest, rtol=0, atol=1e-6)


def windings(triangles, at):
    """How often triangles go around each point: Σ of the solid angles / 4π (van Oosterom)."""
    a, b, c = (triangles[None, :, k] - at[:, None] for k in range(3))
    la, lb, lc = (np.linalg.norm(v, axis=-1) for v in (a, b, c))
    above = (a * np.cross(b, c)).sum(-1)
    below = la * lb * lc + (a * b).sum(-1) * lc + (b * c).sum(-1) * la + (c * a).sum(-1) * lb
    return torch.from_numpy(np.arctan2(above, below).sum(1) / (2 * math.pi))


def triangle_distance(triangles, at):
    """The distance of each point from the nearest triangle, by trimesh, one point at a time."""
    each = [
        np.linalg.norm(
            trimesh.triangles.closest_point(triangles, np.tile(p, (len(triangles), 1))) - p, axis=1
        ).min()
        for p in at
    ]
    return torch.tensor(each, dtype=torch.float64)


def test_a_surface_that_is_seen_from_inside_is_turned():
    body = trimesh.creation.box([1, 2, 3])
    hollow = trimesh.util.concatenate([body, trimesh.creation.icosphere(2, radius=0.3)])
    shape = solid.triangles(body.vertices, body.faces[:, ::-1])
    assert shape.measure == pytest.approx(6.0)
    inner = solid.triangles(hollow.vertices, hollow.faces)  # the inner body is a cavity
    assert inner.measure == pytest.approx(6.0 - trimesh.creation.icosphere(2, radius=0.3).volume)


def written(folder, name, what):
    """A file with bytes, or a mesh."""
    path = folder / name
    path.write_bytes(what) if isinstance(what, bytes) else what.export(path)
    return path


def open_box():
    """A box without one of its triangles."""
    body = trimesh.creation.box()
    body.update_faces(np.arange(len(body.faces)) > 0)
    return body


@pytest.mark.parametrize(
    ("name", "what", "line"),
    [
        ("open.stl", open_box, "is not watertight: 3 of its 18 edges are open; close the holes"),
        ("empty.stl", lambda: b"", "is empty: write the file again"),
        ("text.stl", lambda: b"hello", "it is not STL, or a part of it is missing"),
        ("text.obj", lambda: b"hello", "it is not OBJ, or a part of it is missing"),
        ("part.step", lambda: b"hello", "give an .stl or .obj file"),
    ],
)
def test_a_wrong_file_is_refused_in_one_line(name, what, line, tmp_path):
    with pytest.raises(ValueError, match=line) as caught:
        solid.surface(written(tmp_path, name, what()))
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"none\.stl'.* does not exist"):
        solid.surface(tmp_path / "none.stl")


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: solid.ball((0, 0, 0), 0.0), "the radius of a ball is 0: give a number above 0"),
        (lambda: solid.ball((0, 0), 1.0), "the centre of a ball is .*: give 3 numbers"),
        (lambda: solid.ball((0, 0, math.nan), 1.0), "each number must be finite"),
        (lambda: solid.cylinder((0, 0, 0), (0, 0, 1), 1.0, -2.0), "the height of a cylinder is -2"),
        (lambda: solid.cylinder((0, 0, 0), (0, 0, 0), 1.0, 1.0), "the axis .* give a direction"),
        (lambda: solid.half_space((0, 0, 0), (0, 0, 0)), "the normal of a half-space"),
        (lambda: solid.box((0, 0, 0), (1, 0, 1)), "each lower one must be below the upper one"),
        (
            lambda: solid.half_space((0, 0, 0), (0, 0, 1)).parts,
            "has to be cut with a bounded solid",
        ),
        (
            lambda: solid.difference(solid.box(*BOX), solid.ball((5, 0, 0), 1.0)),
            "has nothing in common with the domain",
        ),
        (
            lambda: solid.difference(solid.box(*BOX), solid.ball((0, 0, 0), 3.0)),
            "nothing is left",
        ),
        (
            lambda: solid.intersection(solid.box(*BOX), solid.ball((5, 0, 0), 1.0)),
            "nothing is left",
        ),
        (lambda: solid.moved(solid.ball((0, 0, 0), 1.0), factor=-1.0), "the factor of a scaling"),
    ],
)
def test_wrong_solids_are_refused_in_one_line(make, line):
    with pytest.raises(ValueError, match=line) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("package", ["trimesh", "manifold3d"])
def test_a_missing_extra_is_named(package, monkeypatch, tmp_path):
    path = written(tmp_path, "box.stl", trimesh.creation.box())
    monkeypatch.setitem(sys.modules, package, None)
    uses = {
        "trimesh": lambda: solid.surface(path),
        "manifold3d": lambda: solid.union(solid.box(*BOX), solid.ball((1, 1, 1), 0.5)),
    }
    with pytest.raises(ModuleNotFoundError, match=r'pip install "pinn\[shapes\]"') as caught:
        uses[package]()
    assert "\n" not in str(caught.value)
    assert solid.ball((0, 0, 0), 1.0).parts[""].rule(100) is not None  # needs none


def test_pieces_that_touch_or_share_a_plane():
    tube = solid.cylinder((1.0, 0.0, -1.0), (0, 0, 1), 0.5, 3.0, "tube")
    shape = solid.union(solid.box(*BOX), tube)  # the base lies half on the back of the box
    assert shape.measure == pytest.approx(8 + 0.25 * math.pi * 2, rel=1e-6)
    unit = torch.rand(4000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    base = [at for at in shape.parts["tube"].place(unit)[0] if at[2] == -1]
    assert min(float(at[0]) for at in base) > 1 - 1e-6
    can = solid.cylinder((0, 0, -1), (0, 0, 1), 0.5, 2.0, "side")
    ends = [solid.ball((0, 0, z), 0.5, "end") for z in (-1, 1)]
    capsule = solid.union(solid.union(can, ends[0]), ends[1])
    assert capsule.measure == pytest.approx(0.5 * math.pi + math.pi / 6, rel=1e-4)
    assert area(capsule) == pytest.approx(3 * math.pi, rel=1e-4)
    assert capsule.parts["end"].rule(500).weights.min() > 0


def test_a_surface_is_an_operand_of_booleans(tmp_path):
    path = tmp_path / "body.stl"
    body = trimesh.creation.icosphere(2)
    body.export(path)
    around = solid.difference(solid.box((-2, -2, -2), (2, 2, 2)), solid.surface(path, "body"))
    assert around.measure == pytest.approx(64 - body.volume, rel=1e-6)
    assert around.parts["body"].measure == pytest.approx(body.area, rel=1e-6)
    assert boundary(around, lambda x, normal: normal, 500).abs().max() < 1e-10
    joined = solid.union(solid.surface(path, "body"), solid.ball((0.8, 0, 0), 0.6, "ball"))
    ball = trimesh.creation.icosphere(5, radius=0.6)
    ball.apply_translation([0.8, 0, 0])
    assert joined.measure == pytest.approx(body.union(ball).volume, rel=3e-4)
    assert boundary(joined, lambda x, normal: normal, 1500).abs().max() < 1e-6
    at, normal, _ = joined.parts["body"].place(torch.rand(500, 2, dtype=torch.float64))
    assert joined.distance(at).abs().max() < 1e-12
    assert not joined.contains(at + 1e-7 * normal).any()
