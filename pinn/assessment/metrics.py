"""Metrics that add up exactly over batches and processes."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric


class Accumulator(Metric):
    """A metric whose states stay float64, whatever precision the model around it is moved to."""

    is_differentiable = False
    full_state_update = False

    def _apply(self, fn: Callable, exclude_state: Any = "") -> Any:
        # Converting there and back would round: only the device is taken over.
        def move(tensor: Tensor) -> Tensor:
            return tensor.to(fn(tensor.new_empty(0)).device)

        return super()._apply(move, exclude_state)


class RelativeL2(Accumulator):
    """‖û − u‖ / ‖u‖,  ‖f‖² = Σᵢ fᵢ²;  up to a constant,  ‖f‖² = Σᵢ (fᵢ − f̄)².

    A reference of norm zero makes the ratio meaningless; then it is the RMS of the error,
    ‖û − u‖ / √n.

    Args:
        up_to_constant: leave the mean out of error and reference, as for a pressure that the
            equations fix only up to a constant.
    """

    moments: Tensor

    def __init__(self, up_to_constant: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.up_to_constant = up_to_constant
        self.add_state("moments", torch.zeros(2, 3, dtype=torch.float64), dist_reduce_fx=pooled)

    def update(self, predicted: Tensor, target: Tensor) -> None:
        """Add points.

        Args:
            predicted: û (N,); or (N, C), where nothing is up to a constant.
            target: u, of the same shape.

        Raises:
            ValueError: the shapes differ, or a constant is to be removed from several components.
        """
        if predicted.shape != target.shape:
            raise ValueError(
                f"predicted has shape {tuple(predicted.shape)} and target {tuple(target.shape)}: "
                "they must agree, (N,) or (N, C)"
            )
        if self.up_to_constant and predicted.ndim != 1:
            raise ValueError(
                f"up_to_constant needs one component (N,), got {tuple(predicted.shape)}: "
                "use one metric per component"
            )
        truth = target.detach().double()
        error = predicted.detach().double() - truth
        seen = torch.stack([moments(error), moments(truth)])
        self.moments = pooled(torch.stack([self.moments, seen]))

    def compute(self) -> Tensor:
        """The relative error, float64.

        Raises:
            ValueError: no points were given.
        """
        n = checked(self.moments[0, 0], self)
        mean, spread = self.moments[:, 1], self.moments[:, 2]
        error, truth = spread if self.up_to_constant else spread + n * mean**2
        # The spread of a constant is its rounding error.
        rounding = n * (4 * torch.finfo(torch.float64).eps * mean[1]) ** 2
        return torch.where(truth <= rounding, error / n, error / truth).sqrt()


class RootMeanSquare(Accumulator):
    """√( (1/N) Σᵢ |rᵢ|² ),  |·| the Euclidean norm over components."""

    squares: Tensor
    points: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        zero = torch.zeros((), dtype=torch.float64)
        self.add_state("squares", zero, dist_reduce_fx="sum")
        self.add_state("points", zero, dist_reduce_fx="sum")

    def update(self, residual: Tensor) -> None:
        """Add the residual (N,) or (N, C) at some points."""
        size = magnitude(residual)
        self.squares = self.squares + size.square().sum()
        self.points = self.points + len(size)

    def compute(self) -> Tensor:
        """The root mean square, float64.

        Raises:
            ValueError: no points were given.
        """
        return (self.squares / checked(self.points, self)).sqrt()


class Maximum(Accumulator):
    """maxᵢ |rᵢ|,  |·| the Euclidean norm over components."""

    largest: Tensor
    points: Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        zero = torch.zeros((), dtype=torch.float64)
        self.add_state("largest", zero, dist_reduce_fx="max")
        self.add_state("points", zero, dist_reduce_fx="sum")

    def update(self, residual: Tensor) -> None:
        """Add the residual (N,) or (N, C) at some points."""
        size = magnitude(residual)
        if len(size):
            self.largest = torch.maximum(self.largest, size.max())
        self.points = self.points + len(size)

    def compute(self) -> Tensor:
        """The maximum, float64.

        Raises:
            ValueError: no points were given.
        """
        checked(self.points, self)
        return self.largest


def magnitude(residual: Tensor) -> Tensor:
    """|r| (N,) of a residual (N,), (N, C) or (N, C, D).

    Raises:
        ValueError: it has no axis of points.
    """
    if residual.ndim < 1:
        raise ValueError(f"a residual must have one value per point, got {tuple(residual.shape)}")
    values = residual.detach().double()
    return values.abs() if values.ndim == 1 else torch.linalg.vector_norm(values.flatten(1), dim=-1)


def moments(values: Tensor) -> Tensor:
    """(n, mean, Σ (f − mean)²) of values of any shape."""
    n = values.numel()
    mean = values.sum() / max(n, 1)
    return torch.stack([mean.new_tensor(n), mean, (values - mean).square().sum()])


def pooled(parts: Tensor) -> Tensor:
    """The moments of a union from the moments (parts, …, 3) of its disjoint parts.

        n = Σ nₖ,   m = Σ nₖ mₖ / n,   S = Σ (Sₖ + nₖ (mₖ − m)²)

    Unlike Σf² − (Σf)²/n, this does not cancel where the mean is large.
    Chan, Golub, LeVeque, The American Statistician 37 (1983), doi:10.1080/00031305.1983.10483115.
    """
    n, mean, spread = parts.unbind(-1)
    total = n.sum(0)
    middle = (n * mean).sum(0) / total.clamp(min=1)
    return torch.stack([total, middle, (spread + n * (mean - middle) ** 2).sum(0)], dim=-1)


def checked(points: Tensor, metric: Metric) -> Tensor:
    """The number of points seen, which must not be zero."""
    if points == 0:
        raise ValueError(f"{type(metric).__name__} has seen no points: update it first")
    return points
