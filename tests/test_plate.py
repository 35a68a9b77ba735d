"""The plate with holes: its reference, and a small run against it."""

import torch

import pinn
from pinn.networks import Polar
from pinn.problems import PlateWithHoles


def test_the_reference_is_harmonic_and_meets_the_conditions():
    reference = PlateWithHoles().judged_by()
    T = reference.values["T"].reshape(reference.shape)
    h = 0.02
    laplacian = (T[2:, 1:-1] + T[:-2, 1:-1] + T[1:-1, 2:] + T[1:-1, :-2] - 4 * T[1:-1, 1:-1]) / h**2
    inside = laplacian[laplacian.isfinite()]
    assert len(inside) > 3000
    assert float(inside.abs().median()) < 0.01  # of a second derivative of order 1, at h² = 4e-4
    assert float((T[0] - 1).abs().max()) < 1e-8
    slope = (3 * T[-1] - 4 * T[-2] + T[-3]) / (2 * h)
    assert float((slope + 2 * T[-1]).abs().max()) < 2e-3
    assert float((T[:, 0] - (4 * T[:, 1] - T[:, 2]) / 3).nan_to_num().abs().max()) < 1e-4


def test_a_small_run_comes_near(tmp_path):
    solution = pinn.fit(
        PlateWithHoles(),
        pinn.MLP(width=200, depth=1, spread=0.5, embedding=Polar()),
        method="gauss",
        points={"interior": 500} | dict.fromkeys(("left", "right", "bottom", "top"), 30)
        | dict.fromkeys(("cooled", "heated"), 40),
        weights={"hot": 1000.0, "insulated": 100.0, "convection": 100.0, "heating": 100.0},
        phases=[pinn.Phase(4, "LevenbergMarquardt", train="output")],
        folder=tmp_path,
    )  # fmt: skip
    reference = solution.problem.judged_by()
    judged = reference.judged
    at, truth = reference.at[judged], reference.values["T"][judged]
    found = solution(at)["T"]
    assert float((found - truth).norm() / truth.norm()) < 1e-3
    assert abs(solution.quantities()["heat_balance"].value) < 1e-2
    assert torch.equal(judged, solution.problem.geometry.contains(reference.at))
