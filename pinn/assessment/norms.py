"""Norms of errors and residuals, summed in float64 whatever precision the values have."""

import torch
from torch import Tensor


def relative_l2(predicted: Tensor, target: Tensor, up_to_constant: bool = False) -> float:
    """‖û − u‖ / ‖u‖,  ‖f‖² = Σᵢ fᵢ²;  up to a constant,  ‖f‖² = Σᵢ (fᵢ − f̄)².

    A reference of norm zero makes the ratio meaningless; then it is the RMS of the error,
    ‖û − u‖ / √n.

    Args:
        predicted: û (N,).
        target: u (N,).
        up_to_constant: leave the mean out of error and reference, as for a pressure that the
            equations fix only up to a constant.

    Raises:
        ValueError: the shapes differ, or there are no points.
    """
    if predicted.shape != target.shape or target.ndim != 1 or not len(target):
        raise ValueError(
            f"predicted has shape {tuple(predicted.shape)} and target {tuple(target.shape)}: both "
            "must be (N,), with at least one point"
        )
    truth = target.detach().double()
    error = predicted.detach().double() - truth
    rounding = len(truth) * (4 * torch.finfo(torch.float64).eps * float(truth.mean())) ** 2
    if up_to_constant:
        error, truth = error - error.mean(), truth - truth.mean()
    size = float(truth.square().sum())
    # The deviations of a constant from its mean are rounding errors.
    return (float(error.square().sum()) / (len(truth) if size <= rounding else size)) ** 0.5


def magnitude(residual: Tensor) -> Tensor:
    """|r| (N,) in float64 of a residual (N,), (N, C) or (N, C, D)."""
    values = residual.detach().double()
    return values.abs() if values.ndim == 1 else torch.linalg.vector_norm(values.flatten(1), dim=-1)
