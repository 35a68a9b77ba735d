"""The rows of the targets, as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

Judge = Literal["velocity", "all", "quantities", "step"]
HIDDEN = "disguise.Case{:02d}"
SCALE = 1.7  # s, by which a domain in disguise is scaled


@dataclass(frozen=True)
class Row:
    """One target.

    Args:
        problem: the path of its class.
        accuracy: what the configuration asks for, and the target.
        seconds: within which it is to be met.
        published: the best published value, for comparison.
        arguments: of the class.
        judge: `velocity` is its relative L2 error, both components together; `all` the largest one
            over the unknowns, a pressure up to its constant. `quantities` is the largest deviation
            of a quantity from its reference, in units of its tolerance, so that 1 is the target;
            `step` the larger of that and the error of the velocity over `accuracy`.
        quantities: name → reference and tolerance.
        config: a shipped configuration in place of `accuracy` alone.
    """

    problem: str
    accuracy: float
    seconds: float
    published: str = "–"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    judge: Judge = "all"
    quantities: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    config: str = ""

    @property
    def target(self) -> float:
        """What the measured figure is to be at most."""
        return 1.0 if self.judge in ("quantities", "step") else self.accuracy


def cavity(reynolds: float, accuracy: float, seconds: float, published: str) -> Row:
    """A cavity with a unit lid."""
    arguments = {"reynolds": reynolds, "walls": "soft"}
    return Row("LidDrivenCavity", accuracy, seconds, published, arguments, "velocity")


def convection(rayleigh: float, nusselt: float) -> Row:
    """Natural convection, judged by the heat that passes."""
    within = {"nusselt": (nusselt, 1e-3 * nusselt)}
    arguments = {"rayleigh": rayleigh}
    return Row("NaturalConvection", 1e-3, 300, '"match"', arguments, "quantities", within)


# Those of DFG 2D-1 as intervals, and as values with a part of each; the pressure in ρ U².
INTERVALS = {
    "drag": (5.58, 0.01),
    "lift": (0.0107, 0.0003),
    "pressure_difference": (2.935, 0.005),
}
VALUES = {
    "drag": (5.57953523384, 2e-4 * 5.58),
    "lift": (0.010618948146, 1e-2 * 0.0106),
    "pressure_difference": (2.93800417425, 1e-3 * 2.938),
}
MEAN = {"mean_velocity": [1.0, 0.5], "sides": "residual"}

ROWS: dict[str, Row] = {
    "cylinder": Row("CylinderFlow", 2e-4, 180, "none inside", {}, "quantities", INTERVALS),
    "cylinder_fine": Row("CylinderFlow", 2e-4, 600, "none inside", {}, "quantities", VALUES),
    "cavity_1000": cavity(1000.0, 1e-3, 600, "1–3e-3, smoothed lid, 90 min GPU"),
    "cavity_3200": cavity(3200.0, 3e-3, 1200, "1.7e-2"),
    "cavity_5000": cavity(5000.0, 5e-3, 1800, "4.3e-2"),
    "cavity_parabolic": Row(
        "LidDrivenCavity",
        3e-5,
        300,
        "1.13e-4 in 403 s, H100",
        {"reynolds": 100.0, "walls": "soft", "profile": "parabolic"},
        "velocity",
    ),
    "kovasznay": Row("Kovasznay", 1e-8, 12, "fastlsq 1.1e-10 in 3.8 s"),
    "kovasznay_10": Row("Kovasznay", 1e-10, 4, "fastlsq 1.1e-10 in 3.8 s"),
    "kovasznay_12": Row("Kovasznay", 1e-12, 12, "fastlsq 3.2e-13 in 14.2 s"),
    "poisson_14": Row("Poisson", 1e-14, 4, "fastlsq 1.3e-15 in 2.2 s"),
    "beltrami": Row("Beltrami3D", 1e-6, 600, "1.2e-3; linear basis 3.5e-4"),
    "taylor_green": Row("TaylorGreen2D", 1e-7, 120, "4.1e-5", {"sides": "residual"}),
    "taylor_green_carried": Row("TaylorGreen2D", 1e-5, 300, "–", MEAN),
    "convection_1e3": convection(1e3, 1.1177897),
    "convection_1e4": convection(1e4, 2.2448158),
    "convection_1e5": convection(1e5, 4.521636),
    "convection_1e6": convection(1e6, 8.82520),
    "step": Row(
        "BackwardStep",
        5e-3,
        1200,
        "1.6e-2",
        {"reynolds": 800.0, "inlet": 0.0, "length": 60.0},
        "step",
        {"reattachment": (12.20, 0.122)},
    ),
    "continuity_rotating": Row("Continuity", 1e-6, 60, "–", {"flow": "rotating"}),
    "continuity_compressing": Row("Continuity", 1e-6, 60, "–", {"flow": "compressing"}),
    "burgers": Row("Burgers", 1e-6, 120, "4.8e-7 in 10 s, 8e-14 in 346 s, H100"),
    "allen_cahn": Row("AllenCahn", 1e-5, 300, "9.4e-7 in hours"),
    "advection_diffusion": Row("AdvectionDiffusion", 1e-6, 120),
    "advection_diffusion_2d": Row("AdvectionDiffusion2D", 1e-4, 120),
    "clamped_plate": Row("ClampedPlate", 1e-7, 60),
    "random_flow": Row("RandomFlow", 1e-6, 120),
}

# The cylinder and the step have places and integrals in their quantities, and are left out.
ORDER = (
    "LidDrivenCavity",
    "Kovasznay",
    "Poisson",
    "Beltrami3D",
    "TaylorGreen2D",
    "NaturalConvection",
    "Continuity",
    "Burgers",
    "AllenCahn",
    "AdvectionDiffusion",
    "AdvectionDiffusion2D",
    "ClampedPlate",
    "RandomFlow",
)
DISGUISED = {
    f"{name} (disguised)": replace(
        row,
        problem=HIDDEN.format(ORDER.index(row.problem) + 1),
        # Those that are left are integrals along a wall, which grow with it.
        quantities={n: (SCALE * v, SCALE * part) for n, (v, part) in row.quantities.items()},
    )
    for name, row in ROWS.items()
    if row.problem in ORDER and not row.config
}
FURTHER: dict[str, Row] = {
    "helmholtz_l": Row("further_problems.HelmholtzL", 1e-6, 60),
    "gray_scott": Row("further_problems.GrayScott", 1e-5, 120),
    "stokes_annulus": Row("further_problems.StokesAnnulus", 1e-7, 60),
    "korteweg_de_vries": Row("further_problems.KortewegDeVries", 1e-5, 120),
    "uneven_diffusion": Row("further_problems.UnevenDiffusion", 1e-7, 60),
    "darcy_plate": Row("further_problems.DarcyPlate", 1e-6, 60),
    "l_shape": Row("corner_problems.LShape", 1e-4, 60),
    "half_insulated": Row("corner_problems.HalfInsulated", 1e-4, 60),
    "notch": Row("corner_problems.Notch", 1e-4, 60),
    "insulated_ledge": Row("corner_problems.InsulatedLedge", 1e-3, 60),
}

# Runs that are asked for little, and end coarse: what their estimates are worth. Of rows that ask
# for the same problem the first one.
LITTLE = (1e-1, 1e-3)
FIRST = {(row.problem, str(row.arguments)): name for name, row in reversed(ROWS.items())}
COARSE = {
    f"{name} ({accuracy:.0e})": replace(
        row, accuracy=accuracy, seconds=300, published="–", judge="all", quantities={}, config=""
    )
    for name, row in {**{n: ROWS[n] for n in ROWS if n in FIRST.values()}, **FURTHER}.items()
    for accuracy in LITTLE
    if row.problem != "CylinderFlow"  # which has no reference but integrals
}
