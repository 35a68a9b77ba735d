"""The problems, one family of equations per file."""

from pinn.problem import Problem
from pinn.problems.cavity import LidDrivenCavity
from pinn.problems.continuity import Continuity
from pinn.problems.kovasznay import Kovasznay
from pinn.problems.navier_stokes import NavierStokes
from pinn.problems.poisson import Poisson

PROBLEMS: dict[str, type[Problem]] = {
    "cavity": LidDrivenCavity,
    "kovasznay": Kovasznay,
    "continuity": Continuity,
    "poisson": Poisson,
}

__all__ = [
    "PROBLEMS",
    "Continuity",
    "Kovasznay",
    "LidDrivenCavity",
    "NavierStokes",
    "Poisson",
]
