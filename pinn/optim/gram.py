"""Damped least squares by Cholesky: fast, and good to half of the digits.

    G = JᵀJ:   (G + μ) δ = −Jᵀ r        parameters,  P ≤ M
    K = JJᵀ:   δ = −Jᵀ (K + μ)⁻¹ r      residuals,   M < P

J's columns are scaled by D^-½, to length one at most. Singular values of J below √ε are lost in
the rounding of G and K, so μ has to stay above it.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from pinn.base.processes import stacked, total
from pinn.optim.system import JacobianRows

STRIPE = 256  # rows; a matrix product would compute both halves of a symmetric matrix
LOCAL = 1e-3  # floor of D where features are local, in parts of its block's mean
LEAST = 1e-9  # and in parts of the mean of all: blocks that no residual sees have none of their own

Step = tuple[Tensor, Tensor]  # δ (P,), and by how much |r + Jδ|² is below |r|²


class Gram:
    """JᵀJ of the rows of all processes."""

    def __init__(self, rows: JacobianRows) -> None:
        self.rows = rows
        size = rows.size
        squares = rows.like.new_zeros(size + 1, size + 1)  # of [J r]
        for some in rows:
            add_square(squares, some)
        mirror(total(squares))
        self.matrix, self.slope = squares[:size, :size], squares[:size, size]
        self.scale = scale(self.matrix.diagonal())
        self.matrix.mul_(self.scale).mul_(self.scale[:, None])
        self.slope.mul_(self.scale)
        self.root = self.matrix

    def solve(self, damping: float) -> Step:
        """δ, and the decrease that the linear model predicts; NaN where there is no factor."""
        self.root, one = cholesky(self.matrix, damping)
        delta = torch.cholesky_solve(self.slope[:, None], self.root)[:, 0].neg_()
        # |r|² − |r + Jδ|² = |Jδ|² + 2μ|δ|², and |Jδ|² + μ|δ|² = −δᵀJᵀr
        return self.scale * delta, one * (damping * (delta @ delta) - delta @ self.slope)

    def again(self, right: Tensor) -> Tensor:
        """δ for other residuals (M,) of this process, at the same damping."""
        slope = total(self.rows.transposed_times(right)) * self.scale
        return -self.scale * torch.cholesky_solve(slope[:, None], self.root)[:, 0]

    def after(self, r: Tensor, steps: Tensor) -> Tensor:
        """δ (P, k) for residuals R (M, k) of this process, after steps Δ (P, k): for R + J Δ."""
        slopes = total(self.rows.transposed_after(r, steps)) * self.scale[:, None]
        return -self.scale[:, None] * torch.cholesky_solve(slopes, self.root)


class Kernel:
    """JJᵀ, for fewer residuals than parameters.

    Args:
        whole: [J r] (M, P + 1) of all processes.
    """

    def __init__(self, whole: Tensor) -> None:
        self.scale = scale(whole[:, :-1].square().sum(0))
        self.rows, self.residuals = whole[:, :-1] * self.scale, whole[:, -1]
        self.matrix = self.rows.new_zeros(len(whole), len(whole))
        add_square(self.matrix, self.rows.T)
        mirror(self.matrix)
        self.root = self.matrix

    def solve(self, damping: float) -> Step:
        """δ, and the decrease that the linear model predicts; NaN where there is no factor."""
        self.root, one = cholesky(self.matrix, damping)
        dual = torch.cholesky_solve(self.residuals[:, None], self.root)
        delta = (self.rows.T @ dual)[:, 0].neg_()
        moved = damping * dual[:, 0] - self.residuals  # Jδ
        return self.scale * delta, one * (moved @ moved + 2 * damping * (delta @ delta))

    def again(self, right: Tensor) -> Tensor:
        """δ for other residuals (M,) of this process, at the same damping."""
        dual = torch.cholesky_solve(stacked(right[:, None]), self.root)
        return -self.scale * (self.rows.T @ dual)[:, 0]

    def after(self, r: Tensor, steps: Tensor) -> Tensor:
        """δ (P, k) for residuals R (M, k) of this process, after steps Δ (P, k): for R + J Δ."""
        moved = self.rows @ (steps / self.scale[:, None])
        dual = torch.cholesky_solve(stacked(r) + moved, self.root)
        return -self.scale[:, None] * (self.rows.T @ dual)


def add_square(squares: Tensor, rows: Tensor) -> None:
    """A += RᵀR on and above the diagonal: half of the products, stripe by stripe."""
    for start in range(0, len(squares), STRIPE):
        stripe = slice(start, start + STRIPE)
        squares[stripe, start:].addmm_(rows[:, stripe].T, rows[:, start:])


def mirror(squares: Tensor) -> None:
    """Fill in what is below the diagonal."""
    for start in range(0, len(squares), STRIPE):
        end = start + STRIPE
        squares[end:, start:end] = squares[start:end, end:].T


def scale(squares: Tensor) -> Tensor:
    """D^-½ (P,),  D = max(diag JᵀJ, mean diag JᵀJ),  from the diagonal.

    Without the mean a column of almost zero, as of a neuron whose output weight is small, would be
    free to move: Kovasznay flow with 300 neurons then takes twice the steps.
    """
    tiny = torch.finfo(squares.dtype).tiny
    return squares.clamp_min(squares.mean() + tiny).rsqrt()


def local_scale(squares: Tensor, sizes: Sequence[int]) -> Tensor:
    """D^-½ (P,) of local features,  D = max(diag JᵀJ, LOCAL · mean of the block, LEAST · mean).

    Local features are never almost zero, and may differ by much. Beside ∇⁴ of a high degree the
    mean would hold those of a low one where they are, and a clamped plate end 200 times less exact;
    beside those of a small patch it would hold those of a large one.
    """
    tiny = torch.finfo(squares.dtype).tiny
    floor = LEAST * squares.mean() + tiny
    parts = [own.clamp_min(LOCAL * own.mean() + floor) for own in squares.split([*sizes])]
    return torch.cat(parts).rsqrt()


def cholesky(matrix: Tensor, damping: float) -> tuple[Tensor, Tensor]:
    """The factor of  A + μ,  and 1 if to rounding that is positive definite, else NaN."""
    damped = matrix.clone()
    damped.diagonal().add_(damping)
    root, failed = torch.linalg.cholesky_ex(damped)
    one = torch.ones_like(root[0, 0])
    return root, torch.where(failed == 0, one, torch.nan)
