"""Points must not see each other:  ∂f(xₐ)/∂x_b = 0 for a ≠ b.

Every strategy differentiates all points at once and relies on this. Batch statistics, attention
over the points, and randomness break it in silence, so f is compared with itself on fewer points.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from pinn.strategies.outputs import Function, split


class CoupledPointsError(ValueError):
    """f(x) at one point depends on the other points of the batch."""


def check_independence(f: Function, x: Tensor) -> None:
    """Compare f on two points alone with f on the batch.

    Args:
        f: maps points (…, d) to components.
        x: the batch; at least two points along some leading axis for the check to mean anything.

    Raises:
        CoupledPointsError: the two differ, or batch statistics are in training mode.
    """
    refuse_batch_statistics(f)
    if x.numel() == 0 or all(n == 1 for n in x.shape[:-1]):
        return
    with torch.no_grad():
        together = values(f, x)
        few = tuple(slice(0, min(2, max(1, n - 1))) for n in x.shape[:-1])
        alone = alone_or_disturbed(f, x, few)
    scale = max(float(together.abs().max()), 1e-30)
    gap = float((together[few] - alone).abs().max()) / scale
    if not gap <= 1e3 * torch.finfo(x.dtype).eps:
        raise CoupledPointsError(
            f"f is not pointwise: its values at two points change by {gap:.1e} (relative) with the "
            "other points of the batch. Remove batch statistics and attention over points, and "
            "switch dropout off with .eval()"
        )


def alone_or_disturbed(f: Function, x: Tensor, few: tuple[slice, ...]) -> Tensor:
    """f on the few points alone; if f needs the whole batch's shape, f with the others moved."""
    try:
        alone = values(f, x[few])
        if alone.shape[:-1] == x[few].shape[:-1]:
            return alone
    except (RuntimeError, ValueError, IndexError):
        pass  # f closes over per-point tensors; a moved batch has the shape it expects
    moved = x.flip(tuple(range(x.ndim - 1))) * 0.9 + 0.05
    moved[few] = x[few]
    return values(f, moved)[few]


def values(f: Function, x: Tensor) -> Tensor:
    """The components of f at x (…, C), from a copy that f may do with as it likes."""
    return torch.stack(split(f(x.detach().clone()), x.shape[:-1]), dim=-1)


def refuse_batch_statistics(f: Any) -> None:
    """Batch norm in training mode couples the points and changes its buffers when probed."""
    if isinstance(f, nn.parallel.DistributedDataParallel):
        raise CoupledPointsError(
            "f is wrapped in DistributedDataParallel: parameter gradients of derivatives would not "
            "be synchronised. Differentiate inside the wrapped module's forward, or pass f.module"
        )
    for name, module in f.named_modules() if isinstance(f, nn.Module) else ():
        if isinstance(module, _BatchNorm) and (module.training or not module.track_running_stats):
            raise CoupledPointsError(
                f"{type(module).__name__} {name!r} mixes the points of a batch: use .eval(), "
                "LayerNorm or no normalisation"
            )
