"""Normalisation over the features of each point, softmax, and what training alone would change."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.rules.arithmetic import add, compose, divide, multiply, subtract
from pinn.algebra.rules.axes import feature_axes, feature_axis, named, refuse, width
from pinn.algebra.rules.kinks import clamp
from pinn.algebra.rules.reduce import log_terms, logsumexp, mean, norm, summed
from pinn.algebra.rules.shape import reshape
from pinn.algebra.series import Series
from pinn.algebra.smooth import SMOOTH

Weight = Tensor | None


def scaled(x: Series, weight: Weight, bias: Weight) -> Series:
    """x ⊙ w + b."""
    x = x if weight is None else multiply(x, weight)
    return x if bias is None else add(x, bias)


def centred(x: Series, axes: tuple[int, ...]) -> Series:
    """x − mean."""
    return subtract(x, mean(x, axes, keepdim=True))


def unit(x: Series, axes: tuple[int, ...], eps: float) -> Series:
    """x / √(mean x² + ε)."""
    square = mean(multiply(x, x), axes, keepdim=True)
    return multiply(x, compose(add(square, eps), SMOOTH[torch.rsqrt]))


def last_axes(x: Series, shape: Sequence[int], name: str) -> tuple[int, ...]:
    """The last axes, as many as `shape` has; they hold features."""
    if len(shape) > width(x):
        raise refuse(name, f"over the last {len(shape)} axes, which hold points,")
    return tuple(range(-len(shape), 0))


def layer_norm(
    x: Series,
    normalized_shape: Sequence[int],
    weight: Weight = None,
    bias: Weight = None,
    eps: float = 1e-5,
    cudnn_enable: bool = True,
) -> Series:
    """(x − mean) / √(var + ε) ⊙ w + b over the last axes."""
    axes = last_axes(x, normalized_shape, "layer_norm")
    return scaled(unit(centred(x, axes), axes, eps), weight, bias)


def rms_norm(
    x: Series, normalized_shape: Sequence[int], weight: Weight = None, eps: float | None = None
) -> Series:
    """x / √(mean x² + ε) ⊙ w over the last axes."""
    axes = last_axes(x, normalized_shape, "rms_norm")
    eps = torch.finfo(x.value.dtype).eps if eps is None else eps
    return scaled(unit(x, axes, eps), weight, None)


def by_channel(x: Series, parameter: Weight) -> Weight:
    """A parameter of each channel, axis 1, beside x."""
    return None if parameter is None else parameter.reshape(-1, *(1 for _ in x.value.shape[2:]))


def check_channels(x: Series, name: str) -> None:
    """Refuse what has no channels on axis 1."""
    if x.lead != 1 or not width(x):
        raise refuse(name, f"of shape {tuple(x.value.shape)} with {x.lead} point axes")


def group_norm(
    x: Series, num_groups: int, weight: Weight = None, bias: Weight = None, eps: float = 1e-5
) -> Series:
    """Layer norm over groups of channels, axis 1, and what lies behind it."""
    check_channels(x, "group_norm")
    n, *features = x.value.shape
    grouped = reshape(x, n, num_groups, math.prod(features) // num_groups)
    normal = reshape(unit(centred(grouped, (-1,)), (-1,), eps), n, *features)
    return scaled(normal, by_channel(x, weight), by_channel(x, bias))


def batch_norm(
    x: Series,
    running_mean: Weight,
    running_var: Weight,
    weight: Weight = None,
    bias: Weight = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Series:
    """(x − μ) / √(σ² + ε) ⊙ w + b with running statistics; those of the batch mix the points."""
    if training or running_mean is None or running_var is None:
        raise refuse("batch_norm", "with the statistics of the batch")
    check_channels(x, "batch_norm")
    scale = torch.rsqrt(running_var + eps) * (1 if weight is None else weight)
    shift = -running_mean * scale + (0 if bias is None else bias)
    return scaled(x, by_channel(x, scale), by_channel(x, shift))


def instance_norm(
    x: Series,
    running_mean: Weight = None,
    running_var: Weight = None,
    weight: Weight = None,
    bias: Weight = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Series:
    """Group norm with one channel per group."""
    if not use_input_stats:
        return batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    if running_mean is not None or running_var is not None:
        raise refuse("instance_norm", "that updates running statistics")
    if x.value.ndim < 3:
        raise refuse("instance_norm", f"of shape {tuple(x.value.shape)}, without (N, C, …),")
    return group_norm(x, x.value.shape[1], weight, bias, eps)


def normalize(
    x: Series, p: float = 2.0, dim: Any = 1, eps: float = 1e-12, out: None = None
) -> Series:
    """x / max(|x|, ε) over features."""
    axes = feature_axes(x, dim, "normalize")
    return divide(x, clamp(norm(x, p, axes, keepdim=True), min=eps))


def softmax(
    x: Series, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Series:
    """eˣ / Σ eˣ over features."""
    axes = only_axis(x, dim, dtype, "softmax")
    powers = compose(log_terms(x, axes), SMOOTH[torch.exp])
    return divide(powers, summed(powers, axes, keepdim=True))


def log_softmax(
    x: Series, dim: int | None = None, _stacklevel: int = 3, dtype: torch.dtype | None = None
) -> Series:
    """x − ln Σ eˣ over features."""
    axes = only_axis(x, dim, dtype, "log_softmax")
    return subtract(x, logsumexp(x, axes, keepdim=True))


def only_axis(x: Series, dim: int | None, dtype: torch.dtype | None, name: str) -> tuple[int]:
    """The axis of a softmax."""
    if dtype is not None:
        raise refuse(name, f"to {dtype}")
    return (feature_axis(x, dim, name),)


def dropout(name: str, default: float = 0.5) -> Callable[..., Series]:
    """The rule of `dropout` and its like: the identity outside of training."""

    def rule(x: Series, p: float = default, training: bool = True, inplace: bool = False) -> Series:
        if training and p > 0:
            raise refuse(name, f"with p={p} in training, drawn anew for every evaluation,")
        return x

    return rule


DROPOUTS = (
    "dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout", "feature_alpha_dropout",
)  # fmt: skip
NORMALISE: dict[Callable, Callable] = {
    **named(layer_norm, rms_norm, group_norm, batch_norm, instance_norm, normalize),
    **named(softmax, log_softmax, softmin=lambda x, *s, **m: softmax(x.map(torch.neg), *s, **m)),
    **named(**{name: dropout(name) for name in DROPOUTS}),
}
