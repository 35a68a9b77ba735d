"""How exactly least squares determines the coefficients of a problem: the Gauss–Newton covariance,

    Cov θ = s² (JᵀJ)⁻¹,   s² = Σ r_d² / (m − tr H_d),   H = J (JᵀJ)⁻¹ Jᵀ,

with the sums over the m rows d of measured data. A residual that asks for a column of data is
measured; all others are constraints, which have no noise and count in J alone. Their weight says
how exactly they hold: a row of theirs counts as much as a row of data of the same weight. tr H_d is
the number of parameters that the data had to determine.

The rows of the data are taken to have one standard deviation s, which is estimated; residuals of
different noise σ_k over N_k points take weights λ_k ∝ N_k / σ_k². The rest is linear: the interval
holds where the solution bends little over its length, and where the networks can represent the
solution.

G. A. F. Seber and C. J. Wild, Nonlinear Regression, 1989, doi:10.1002/0471725315.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from pinn.base.processes import total
from pinn.objective.chunks import InsufficientMemoryError
from pinn.objective.least_squares import LeastSquares
from pinn.optim.budget import Budget, allowance
from pinn.optim.factor import Factor, damped
from pinn.optim.levenberg_marquardt import total_count
from pinn.optim.system import JacobianRows
from pinn.physics.estimates import Estimate
from pinn.physics.problem import Problem
from pinn.solution.plans import unread_parameters


def estimates(system: LeastSquares | None) -> dict[str, Estimate]:
    """The trained scalar coefficients of a problem, where some of its residuals are measured.

    Args:
        system: the residuals, at the minimum; None where they are not solved as such.

    Returns:
        name → estimate; none without points, data, or the memory for a factor of J.
    """
    if system is None or not system.points or not measured(system.objective.solution.problem):
        return {}
    solution, columns = system.objective.solution, coefficients(system)
    for name in unread_parameters(solution) if columns else ():
        columns.pop(name, None)
    with torch.no_grad():
        known = covariance(system, list(columns.values())) if columns else None
    if known is None:
        return {}
    matrix, freedom, left = known
    values = dict(solution.problem.named_parameters())
    return {
        name: Estimate(float(values[name].detach()), float(variance) ** 0.5, freedom, float(step))
        for name, variance, step in zip(columns, matrix.diagonal(), left, strict=True)
    }


def covariance(system: LeastSquares, columns: Sequence[int]) -> tuple[Tensor, float, Tensor] | None:
    """Cov θ of some of the parameters, by a QR factor of J.

    Directions that J knows no better than its rounding, as random features have many, are held
    where they are; a θ whose variance is mostly theirs is left open by the equations.

    Args:
        system: the residuals, at the minimum.
        columns: which columns of J.

    Returns:
        Cov θ (K, K), infinite where the data leave no freedom or do not determine θ; the
        degrees of freedom m − tr H_d; and by how much the minimum of the linear model is away
        (K,). None where J does not fit into half of the memory, or has fewer rows than columns,
        so that it knows no θ.
    """
    r = system.residuals()
    size = sum(p.numel() for p in system.parameters())
    try:
        room = Budget(size, total_count(r), allowance(r.device, None))
    except InsufficientMemoryError:
        return None
    if room.wide or not room.has_room_for_factor:
        return None
    factor = Factor(JacobianRows(system, r, size, len(r), room.rows))
    rounding = torch.finfo(r.dtype).eps * size
    factored = damped(factor.matrix, rounding)
    root, right = factored[:size, :size], factored[:size, size:]
    picked = r.new_zeros(size, len(columns))
    picked[list(columns), range(len(columns))] = factor.scale[list(columns)]
    half = torch.linalg.solve_triangular(root.T, picked, upper=False)
    held = rounding * torch.linalg.solve_triangular(root, half, upper=True)
    is_open = held.square().sum(0) > 0.5 * half.square().sum(0)
    squares, fitted, m = data(system, root, factor.scale)
    freedom = m - fitted
    # With less than one, s² is rounding: fewer data than what they have to determine.
    variance = squares / freedom if freedom >= 1 else math.inf
    known = half.T @ half * variance
    known.diagonal()[is_open] = math.inf
    return known, freedom, (-(half.T @ right)[:, 0]).masked_fill(is_open, 0.0)


def data(system: LeastSquares, root: Tensor, scale: Tensor) -> tuple[float, float, int]:
    """Σ r_d²,  tr H_d = Σ |R⁻ᵀ J_dᵀ|²,  and m, of the data of all processes."""
    sums = root.new_zeros(3)
    names = {n for n in measured(system.objective.solution.problem) if system.weights[n] > 0}
    for chunk, jacobian, rows in system.jacobians():
        mask = torch.tensor([n in names for n in system.owners(chunk.region)])
        if not bool(mask.any()):
            continue
        mask = mask.repeat(len(chunk.points)).to(rows.device)
        right = (jacobian[mask] * scale).T
        sums[0] += rows.reshape(-1)[mask].square().sum()
        sums[1] += torch.linalg.solve_triangular(root.T, right, upper=False).square().sum()
        sums[2] += chunk.points.share * mask.sum()  # parts have points that fill them up
    squares, fitted, m = total(sums).tolist()
    return squares, fitted, round(m)


def measured(problem: Problem) -> set[str]:
    """The residuals that ask for a column of data."""
    return {r.name for r in problem.residuals if set(r.arguments) & set(problem.columns)}


def coefficients(system: LeastSquares) -> dict[str, int]:
    """The trained parameters of the problem that are one number → their column of J."""
    problem = system.objective.solution.problem
    own = {id(p): name for name, p in problem.named_parameters() if p.ndim == 0}
    columns, start = {}, 0
    for parameter in system.parameters():
        if id(parameter) in own:
            columns[own[id(parameter)]] = start
        start += parameter.numel()
    return columns
