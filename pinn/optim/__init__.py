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
    structure            which blocks of θ the residuals see
    ordering             in which order blocks are eliminated
    elimination          the tree of dense fronts in which they are
    grouped_rows         the rows of J in groups that see the same blocks
    block_gram           the damped minimum by a sparse Cholesky factor
    block_factor         the damped minimum by sparse orthogonal factors
    block_budget         the memory that these take
    condensation         the few unknowns that the equations leave to a patch

May import: objective, solution, base.
"""

from pinn.optim.levenberg_marquardt import LevenbergMarquardt
from pinn.optim.phase import Phase, usual_phases

__all__ = ["LevenbergMarquardt", "Phase", "usual_phases"]
