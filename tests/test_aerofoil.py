"""Potential flow about an aerofoil: its reference, the slit within it, and a small run."""

import math

import numpy as np
import pytest
import torch

import pinn
from pinn.geometry import Ellipse, Rectangle
from pinn.networks import Polar
from pinn.networks.slit import opened, slit_of
from pinn.problems import Aerofoil
from pinn.problems.aerofoil import profile, shipped_circulation, shipped_velocity, trailing_edge

SHARES = (np.arange(4000) + 0.5) / 4000
TURN = math.radians(5)


def surface() -> tuple[np.ndarray, np.ndarray]:
    """u − iv on the profile, and dz by its shares, exact to the spectrum of a smooth ring."""
    z = profile(SHARES) @ np.array([1, 1j])
    wave = 2j * np.pi * np.fft.fftfreq(len(z), 1 / len(z))
    return shipped_velocity(z, TURN), np.fft.ifft(wave * np.fft.fft(z))


def test_the_reference_follows_the_profile_and_its_circulation():
    flow, along = surface()
    normal = (flow * along).imag / abs(along)
    assert abs(normal).max() < 1e-6
    assert abs((flow * along).real.mean() + shipped_circulation(TURN)) < 1e-10


def test_the_lift_by_pressure_is_that_of_the_circulation():
    """Blasius:  D − iL = (i/2) ∮ (u − iv)² dz, with ρ = U = 1."""
    flow, along = surface()
    force = 0.5j * (flow**2 * along).mean() * np.exp(1j * TURN)
    assert -force.imag == pytest.approx(shipped_circulation(TURN), rel=1e-4)
    assert abs(force.real) < 1e-3
    assert Aerofoil().known_lift() == pytest.approx(1.21808, abs=1e-5)


def test_the_reference_has_no_divergence_and_no_curl():
    z, h = np.array([2.5 + 0.3j, -2.4 - 0.2j, 0.1 + 1.0j]), 1e-5
    x = (shipped_velocity(z + h, TURN) - shipped_velocity(z - h, TURN)) / (2 * h)
    y = (shipped_velocity(z + 1j * h, TURN) - shipped_velocity(z - 1j * h, TURN)) / (2 * h)
    assert abs(y - 1j * x).max() < 1e-9
    assert shipped_velocity(np.array([1e9 + 0j]), TURN)[0] == pytest.approx(np.exp(-1j * TURN))


def image(geometry, name):
    points = geometry.in_space(geometry.sample(name, 512, "gauss").at)
    slit = slit_of(geometry, name, points)
    return slit, opened(points, torch.tensor(slit.numbers(), dtype=torch.float64))


def test_a_long_ellipse_has_its_foci_and_a_profile_of_joukowski_opens_to_its_circle():
    slit, s = image(
        Rectangle((-4, 4), (-4, 4)) - Ellipse((0, 0), (2, 0.3), 0.4, name="hole"), "hole"
    )
    focus = complex(math.cos(0.4), math.sin(0.4)) * math.sqrt(2**2 - 0.3**2)
    assert abs(slit.a + focus) + abs(slit.b - focus) < 1e-6
    sizes = s.norm(dim=1)
    assert float(sizes.max() / sizes.min()) == pytest.approx(1, abs=1e-6)
    slit, s = image(Aerofoil().geometry, "aerofoil")
    assert abs(slit.a + 2) + abs(slit.b - 2) < 1e-4
    sizes = (s - 0.5 * (s.amax(0) + s.amin(0))).norm(dim=1)
    assert float(sizes.mean()) == pytest.approx(math.hypot(1.1, 0.1), rel=1e-4)
    assert float(sizes.max() / sizes.min()) == pytest.approx(1, abs=1e-3)


def test_the_map_is_joukowskis_and_smooth_outside():
    geometry = Aerofoil().geometry
    slit, _ = image(geometry, "aerofoil")
    at = geometry.in_space(geometry.sample("interior", 500, "sobol").at).double()
    s = torch.view_as_complex(opened(at, torch.tensor(slit.numbers(), dtype=torch.float64)))
    z, half = torch.view_as_complex(at), (slit.b - slit.a) / 4
    torch.testing.assert_close((slit.a + slit.b) / 2 - half * (s + 1 / s), z)
    assert float(s.abs().min()) > 0.99  # a cut in the domain would show the other root


def test_the_trailing_edge_may_be_sharp_or_blunt():
    sharp = np.array([[1.0, 0.0], [0.0, 0.1], [0.0, -0.1]])
    assert trailing_edge(sharp) == ([1.0, 0.0], [1.0, 0.0])
    edge, out = trailing_edge(np.array([[1, 0.01], [0.0, 0.1], [0.0, -0.1], [1, -0.01]]))
    assert (edge, out) == ([1.0, 0.0], [1.0, 0.0])


def test_a_small_run_finds_the_lift(tmp_path):
    solution = pinn.fit(
        Aerofoil(),
        pinn.MLP(width=150, depth=1, spread=1.0, embedding=Polar()),
        method="sobol",
        points={"interior": 600, "aerofoil": 150, "far": 50},
        weights=dict.fromkeys(("impermeable", "kutta", "far_away"), 100.0),
        refine={"aerofoil": 0.5},
        phases=[pinn.Phase(3, "LevenbergMarquardt", train="output", options={"damping": 1e-8})],
        folder=tmp_path,
        accelerator="cpu",
        enable_progress_bar=False,
    )
    assert solution.quantities()["lift"].error < 0.02


@pytest.mark.parametrize("angle", [90.0, -90.0, math.nan])
def test_an_angle_across_is_refused(angle):
    with pytest.raises(ValueError, match="give an angle between -90 and 90 degrees"):
        Aerofoil(angle=angle)
