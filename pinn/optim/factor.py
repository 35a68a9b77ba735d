"""Damped least squares by orthogonal factors: J is never squared, so no digits are lost.

    min |Jδ + r|² + μ|δ|²,   [J r] = Q [R c; 0 ρ]  →  min |[R; √μ] δ + [c; 0]|²

J's columns are scaled by D^-½, to length one at most.

Å. Björck, Numerical Methods for Least Squares Problems, 1996, doi:10.1137/1.9781611971484.
"""

from functools import cache

import numpy as np
import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from pinn.base.processes import processes, stacked
from pinn.optim.gram import Step, scale
from pinn.optim.system import JacobianRows

BLOCK = 64  # columns that LAPACK takes at a time


class Factor:
    """R of [J r] of all processes, whatever the number of rows."""

    def __init__(self, rows: JacobianRows) -> None:
        size, upper = rows.size, rows.like.new_zeros(0, rows.size + 1)
        for some in rows:
            upper = triangle(torch.cat([upper, some]) if len(upper) else some)
        if processes() > 1:
            upper = triangle(stacked(upper))
        missing = upper.new_zeros(max(size + 1 - len(upper), 0), size + 1)
        self.matrix = torch.cat([upper, missing])  # [R c; 0 ρ]
        self.scale = scale(self.matrix[:, :-1].square().sum(0))
        self.matrix[:, :-1] *= self.scale

    def solve(self, damping: float) -> Step:
        """δ, and the decrease that the linear model predicts."""
        size = self.matrix.shape[1] - 1
        upper = damped(self.matrix, damping**0.5)
        delta = torch.linalg.solve_triangular(
            upper[:size, :size], upper[:size, size:], upper=True
        ).neg_()[:, 0]
        moved = self.matrix[:size, :size] @ delta  # QᵀJδ
        return self.scale * delta, moved @ moved + 2 * damping * (delta @ delta)


class Reflectors:
    """Q and R of Jᵀ, for fewer residuals than parameters:  the damped solution of least norm.

        min |δ|² + |s|²,   Jδ + √μ s = −r

    Args:
        whole: [J r] (M, P + 1) of all processes.
    """

    def __init__(self, whole: Tensor) -> None:
        self.scale = scale(whole[:, :-1].square().sum(0))
        self.residuals = whole[:, -1]
        self.packed, self.tau = torch.geqrf((whole[:, :-1] * self.scale).T)

    def solve(self, damping: float) -> Step:
        """δ, and the decrease that the linear model predicts."""
        size, count = len(self.packed), len(self.residuals)
        upper = self.packed[:count].triu()
        identity = torch.eye(count, dtype=upper.dtype, device=upper.device)
        packed, tau = torch.geqrf(torch.cat([upper, damping**0.5 * identity]))
        right = self.residuals.neg()[:, None]
        inner = torch.linalg.solve_triangular(packed[:count].triu().T, right, upper=False)
        inner = torch.cat([inner, torch.zeros_like(inner)])
        inner = torch.ormqr(packed, tau, inner)[:count]
        outer = torch.cat([inner, inner.new_zeros(size - count, 1)])
        delta = torch.ormqr(self.packed, self.tau, outer)[:, 0]
        moved = (upper.T @ inner)[:, 0]
        return self.scale * delta, moved @ moved + 2 * damping * (delta @ delta)


def triangle(matrix: Tensor) -> Tensor:
    """R of a QR factorisation."""
    return torch.linalg.qr(matrix, mode="r")[1]


@cache
def blas() -> ThreadpoolController:
    """The threads of SciPy's LAPACK: on a core that is shared they wait for each other 100 times
    longer than they work, and alone they gain nothing.
    """
    return ThreadpoolController()


def damped(matrix: Tensor, root: float) -> Tensor:
    """R of [R c; 0 ρ; √μ 0]; LAPACK knows that both halves are triangular, a fifth of the work."""
    below = torch.full((len(matrix),), root, dtype=matrix.dtype, device=matrix.device)
    below[-1] = 0.0  # the column of residuals is not damped
    if matrix.device.type != "cpu":
        return triangle(torch.cat([matrix, below.diag()]))
    from scipy.linalg import lapack  # before anybody asks whose threads there are

    upper, lower = np.asfortranarray(matrix.numpy()), np.diag(below.numpy()).T
    block = min(BLOCK, len(matrix))
    with blas().limit(limits=1, user_api="blas"):
        factor, *_ = lapack.dtpqrt(len(matrix), block, upper, lower, overwrite_b=True)
    return torch.from_numpy(factor).triu_()
