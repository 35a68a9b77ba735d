"""How the weights are found: the phases, and Levenberg–Marquardt with its linear algebra.

A new optimiser is a file here and a name in `named`; a new key of a phase goes into `phase`.

    phase                the phases of a run
    named                optimisers by name
    levenberg_marquardt  damped least squares
    linear_model         the linear model at one θ and its minimum
    factor               the damped minimum by orthogonal factors
    gram                 the damped minimum by Cholesky
    system               what least squares needs from a problem
    budget               the memory that it takes

May import: objective, solution, base.
"""

from pinn.optim.levenberg_marquardt import LevenbergMarquardt
from pinn.optim.phase import Phase, usual_phases

__all__ = ["LevenbergMarquardt", "Phase", "usual_phases"]
