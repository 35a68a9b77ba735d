"""How the weights are found: the phases, and Levenberg–Marquardt with its linear algebra.

A new optimiser or a new key of a phase goes here.

May import: objective, solution, base.
"""

from pinn.optim.levenberg_marquardt import LevenbergMarquardt
from pinn.optim.phase import Phase, usual_phases

__all__ = ["LevenbergMarquardt", "Phase", "usual_phases"]
