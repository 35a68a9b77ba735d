"""Stored lid-driven cavity reference fields against published data and the equations."""

import csv
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.interpolate import RectBivariateSpline, make_interp_spline
from scipy.optimize import minimize, minimize_scalar

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "pinn" / "problems" / "cavity_data"
REYNOLDS = (100, 400, 1000)
LARGE = (3200, 5000)
NAMES = [f"re{reynolds}" for reynolds in REYNOLDS + LARGE] + ["parabolic_re100"]
INNER = np.s_[2:-2, 2:-2]  # the points where a five-point difference exists
AWAY = np.s_[13:-13, 13:-13]  # of those, 0.15 < x, y < 0.85: nearer the lid corners h⁴ shows


def load(name):
    with np.load(REFERENCE / f"cavity_{name}.npz") as file:
        return {name: np.asarray(file[name], dtype=np.float64) for name in file.files}


def rows(name):
    lines = (REFERENCE / name).read_text(encoding="utf-8").splitlines()
    return list(csv.DictReader(line for line in lines if not line.startswith("#")))


def columns(name, *keys):
    table = rows(name)
    return [np.array([float(row[key]) for row in table]) for key in keys]


def slope(field, axis, h=0.01):
    """Fourth-order central first difference, two points short at both ends of ``axis``."""
    f = np.moveaxis(field, axis, 0)
    return np.moveaxis((f[:-4] - 8 * f[1:-3] + 8 * f[3:-1] - f[4:]) / (12 * h), 0, axis)


def gradient(field):
    """∂/∂x, ∂/∂y on the grid less two points at every side."""
    return slope(field, 0)[:, 2:-2], slope(field, 1)[2:-2]


@pytest.fixture(scope="module", params=NAMES)
def flow(request):
    return load(request.param)


@pytest.fixture(scope="module", params=[f"re{reynolds}" for reynolds in REYNOLDS])
def with_pressure(request):
    return load(request.param)


def lid(flow):
    """The speed of the lid: the parabolic one is at rest in the corners."""
    x = flow["x"]
    return 4 * x * (1 - x) if flow["u"][0, -1] == 0 else np.ones_like(x)


def test_contents(flow):
    keys = {"x", "y", "u", "v", "psi", "reynolds", "error_u", "error_v"}
    assert set(flow) - {"p"} == keys
    assert flow["reynolds"] in REYNOLDS + LARGE
    assert np.allclose(flow["x"], np.linspace(0, 1, 101), atol=1e-15, rtol=0)
    assert np.array_equal(flow["x"], flow["y"])
    assert all(flow[name].shape == (101, 101) for name in flow.keys() & {"u", "v", "p", "psi"})
    assert 0 < flow["error_u"] < 1e-4
    assert 0 < flow["error_v"] < 1e-4


def test_boundary_values(flow):
    u, v, psi = flow["u"], flow["v"], flow["psi"]
    assert np.abs(u[:, -1] - lid(flow)).max() < 1e-6
    assert max(np.abs(side).max() for side in (u[:, 0], u[0, :-1], u[-1, :-1])) < 1e-6
    assert max(np.abs(side).max() for side in (v[:, 0], v[:, -1], v[0], v[-1])) < 1e-6
    assert max(np.abs(side).max() for side in (psi[:, 0], psi[:, -1], psi[0], psi[-1])) < 1e-6


def test_pressure_is_unbounded_only_at_lid_corners_and_has_zero_mean(with_pressure):
    flow = with_pressure
    assert np.argwhere(np.isnan(flow["p"])).tolist() == [[0, 100], [100, 100]]
    near = np.minimum(flow["x"], 1 - flow["x"]) < 0.05 + 1e-9
    assert abs(flow["p"][~(near[:, None] & near)].mean()) < 1e-7


def seen_worse(flow):
    """How many times the differences miss more, where layers are as thin as 2 of the grid."""
    return 15 if flow["reynolds"] > 1000 else 1


def test_velocity_is_divergence_free(flow):
    u_x, _ = gradient(flow["u"])
    _, v_y = gradient(flow["v"])
    assert np.abs(u_x[AWAY]).max() > 0.5
    assert np.abs((u_x + v_y)[AWAY]).max() < 5e-4 * seen_worse(flow)


def test_velocity_is_the_curl_of_the_stream_function(flow):
    psi_x, psi_y = gradient(flow["psi"])
    assert np.abs((flow["u"][INNER] - psi_y)[AWAY]).max() < 5e-5 * seen_worse(flow)
    assert np.abs((flow["v"][INNER] + psi_x)[AWAY]).max() < 5e-5 * seen_worse(flow)


def test_momentum_balance(with_pressure):
    flow = with_pressure
    u, v = flow["u"][INNER], flow["v"][INNER]
    for velocity, pressure_slope in zip(("u", "v"), gradient(flow["p"]), strict=True):
        w_x, w_y = gradient(flow[velocity])
        convection = (u * w_x + v * w_y)[INNER]
        diffusion = gradient(w_x)[0] + gradient(w_y)[1]
        residual = convection + pressure_slope[INNER] - diffusion / flow["reynolds"]
        assert np.abs(convection[AWAY]).max() > 0.3
        assert np.abs(residual[AWAY]).max() < 3e-4


def test_vorticity_balance_of_a_square(flow):
    """∮ (ζ u − ∇ζ/Re)·n ds = 0: of the flow at another Reynolds number it is not."""
    x, nodes = flow["x"], np.linspace(0.2, 0.8, 401)
    u, v = (RectBivariateSpline(x, x, flow[name], kx=5, ky=5) for name in ("u", "v"))
    advected, diffused, size = 0.0, 0.0, 0.0
    for side, out in ((0.2, -1), (0.8, 1)):
        for at, carried, normal in (((side, nodes), u, (1, 0)), ((nodes, side), v, (0, 1))):

            def of(field, dx, dy, at=at):
                return field(*at, dx=dx, dy=dy).ravel()

            flux = (of(u, 0, 1) - of(v, 1, 0)) * of(carried, 0, 0)
            gradient = of(u, normal[0], 1 + normal[1]) - of(v, 1 + normal[0], normal[1])
            advected += out * np.trapezoid(flux, nodes)
            diffused += out * np.trapezoid(gradient, nodes) / flow["reynolds"]
            size += np.trapezoid(np.abs(flux), nodes)
    assert abs(diffused) > 3e-4 * size
    assert abs(advected - diffused) < 0.02 * abs(diffused)


@pytest.mark.parametrize(("name", "axis", "velocity"), [("u_x0.5", "y", "u"), ("v_y0.5", "x", "v")])
def test_erturk_at_re5000(name, axis, velocity):
    flow = load("re5000")
    stations, published = columns(f"erturk2005_{name}.csv", axis, f"{velocity}_re5000")
    line = np.s_[50, :] if axis == "y" else np.s_[:, 50]
    ours = make_interp_spline(flow[axis], flow[velocity][line], k=3)(stations)
    assert np.linalg.norm(ours - published) < 1e-2 * np.linalg.norm(published)


def test_erturk_s_eddies_at_re5000():
    flow = load("re5000")
    psi = RectBivariateSpline(flow["x"], flow["y"], flow["psi"], kx=5, ky=5)
    eddies = [
        row
        for row in rows("cavity_highre_vortex_centres.csv")
        if (row["re"], row["reference"]) == ("5000", "Erturk2005") and row["vortex"][-1] != "2"
    ]
    for row in eddies:
        at = [float(row["x"]), float(row["y"])]
        turn = np.sign(psi(*at).item())
        centre = minimize(lambda s, t=turn: -t * psi(*s).item(), at, method="Nelder-Mead").x
        assert np.abs(centre - at).max() < 1.7e-3, row["vortex"]  # the step of their grid
    assert len(eddies) == 3


def test_marchi_extrema_at_re100():
    flow = load("re100")
    x, y = flow["x"], flow["y"]
    u, v, psi = (RectBivariateSpline(x, y, flow[k], kx=5, ky=5) for k in ("u", "v", "psi"))
    published = {
        row["quantity"]: float(row["value"])
        for row in rows("cavity_extrema.csv")
        if row["re"] == "100"
    }
    found = {
        "u_min_x0.5": minimize_scalar(lambda s: u(0.5, s).item(), (0.3, 0.45, 0.6)).fun,
        "v_max_y0.5": -minimize_scalar(lambda s: -v(s, 0.5).item(), (0.1, 0.25, 0.4)).fun,
        "v_min_y0.5": minimize_scalar(lambda s: v(s, 0.5).item(), (0.7, 0.8, 0.9)).fun,
        "psi_min": minimize(lambda s: psi(*s).item(), [0.6, 0.7], method="Nelder-Mead").fun,
    }
    assert found.keys() == published.keys()
    assert {k: abs(found[k] - published[k]) for k in found} == pytest.approx(
        dict.fromkeys(found, 0.0), abs=1e-5
    )


@pytest.mark.parametrize(("name", "axis", "velocity"), [("x0.5", "y", "u"), ("y0.5", "x", "v")])
def test_botella_peyret_at_re1000(name, axis, velocity):
    flow = load("re1000")
    table = f"botella_peyret_1998_re1000_{name}.csv"
    stations, speed, pressure = columns(table, axis, velocity, "p")
    line = np.s_[50, :] if axis == "y" else np.s_[:, 50]
    ours = make_interp_spline(flow[axis], flow[velocity][line], k=5)(stations)
    assert np.abs(ours - speed).max() < 1e-4
    ours = make_interp_spline(flow[axis], flow["p"][line] - flow["p"][50, 50], k=5)(stations)
    assert np.abs(ours - pressure).max() < 1e-4


@pytest.mark.slow
def test_recomputed_re100_agrees_with_the_stored_file():
    script = ROOT / "benchmarks" / "cavity_reference.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "agrees" in done.stdout
