"""Points must not see each other:  ∂f(xₐ)/∂x_b = 0 for a ≠ b.

Every strategy differentiates all points at once and relies on this. Batch statistics, attention
over the points, and randomness break it in silence, so f is compared with itself on fewer points.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from pinn.checking.samples import buffers_kept, modules_in, trial, undisturbed, within
from pinn.derivatives.outputs import Function, split


class CoupledPointsError(ValueError):
    """f(x) at one point depends on the other points of the batch."""


def check_independence(f: Function, x: Tensor) -> None:
    """Compare f on a few points alone with f on the batch.

    Args:
        f: maps points (…, d) to components.
        x: the batch; at least two points along some leading axis for the check to mean anything.

    Raises:
        CoupledPointsError: the two differ, or a module mixes points or draws random numbers.
    """
    refuse_coupling_modules(f)
    if x.numel() == 0 or all(n == 1 for n in x.shape[:-1]):
        return
    with undisturbed(x):  # with gradients, since f itself may call torch.autograd.grad
        g, batch = trial(f, x)
        few = tuple(slice(0, min(8, max(1, n - 1))) for n in batch.shape[:-1])
        together, alone = with_and_without_others(g, batch.detach(), few)
        eps = max(torch.finfo(t.dtype).eps for t in (together, batch))
        size = together.abs().nan_to_num(0, 0, 0)
        typical = size.flatten(0, -2).median(dim=0).values
        # Each component by its own size; where it cancels, rounding follows the largest.
        tolerance = eps**0.6 * (size[few] + typical) + 64 * eps * size.amax()
        apart = ~within(together[few], alone, tolerance)
    if apart.any():
        gap = (together[few] - alone).abs() / (size[few] + typical)
        relative = float(gap[apart].max())
        raise CoupledPointsError(
            f"f is not pointwise: its values change by {relative:.1e} (relative) with the other "
            "points of the batch. Remove batch statistics and attention over points, and "
            "switch dropout off with .eval()"
        )


def with_and_without_others(
    f: Function, x: Tensor, few: tuple[slice, ...]
) -> tuple[Tensor, Tensor]:
    """f on a batch, and f on few of its points alone.

    If f closes over per-point tensors it needs the whole batch's shape: then the others are moved.
    """
    try:
        return values(f, x), values(f, x[few])
    except (RuntimeError, ValueError, IndexError):
        moved = x.flip(tuple(range(x.ndim - 1))) * 0.9 + 0.05
        moved[few] = x[few]
        return values(f, x), values(f, moved)[few]


def values(f: Function, x: Tensor) -> Tensor:
    """The components of f at x (…, C), from a copy that f may do with as it likes."""
    with buffers_kept(f):
        return torch.stack(split(f(x.clone()), x.shape[:-1]), dim=-1).detach()


def refuse_coupling_modules(f: Any) -> None:
    """Modules known to break the rule; batch norm would even change its buffers when probed."""
    for name, module in modules_in(f):
        if isinstance(module, nn.parallel.DistributedDataParallel):
            raise CoupledPointsError(
                "f is wrapped in DistributedDataParallel: parameter gradients of derivatives would "
                "not be synchronised. Differentiate inside the wrapped module's forward"
            )
        if isinstance(module, _DropoutNd) and module.training and module.p > 0:
            raise CoupledPointsError(
                f"{type(module).__name__} {name!r} draws new random numbers in every pass: use "
                ".eval() or no dropout"
            )
        if isinstance(module, _BatchNorm) and (module.training or not module.track_running_stats):
            raise CoupledPointsError(
                f"{type(module).__name__} {name!r} mixes the points of a batch: use .eval(), "
                "LayerNorm or no normalisation"
            )
