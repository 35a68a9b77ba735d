"""Points processed in portions: memory stays under a budget, or in cache, whatever their number."""

import bisect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pinn.base.costs import Model
from pinn.cache.tracing import keeps_graph
from pinn.checking.autograd_graph import leaves
from pinn.checking.samples import modules_in
from pinn.choosing.candidates import GIB
from pinn.choosing.sample_step import Trial, untouched
from pinn.operators.partial import gradients
from pinn.operators.sameness import agree, refuse_changed

MOST = 2**40
# Bytes of the largest tensor of a portion. Larger ones leave a core's cache, and beyond 32 MiB the
# C library takes fresh pages for each: at d = 32 and 4,096 points a batched pass takes twice the
# time, and what was measured at few points says nothing of many.
CACHE = 4 * 2**20
FEWEST = 64  # a portion of fewer points spends its time on launches
MANY = 256  # up to here all points at once are not worth dividing
Evaluate = Callable[[Tensor], Tensor]


class Portion(torch.autograd.Function):
    """An evaluation that keeps its points only, and is made again in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, evaluate: Evaluate, again: "Again", x: Tensor, *parameters: Tensor
    ) -> Tensor:
        """The values, without a graph."""
        ctx.evaluate, ctx.again, y = evaluate, again, evaluate(x)
        ctx.save_for_backward(y, x, *parameters)
        return y

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the points and the parameters, where wanted."""
        (y, x, *parameters), again = ctx.saved_tensors, ctx.again
        evaluate: Evaluate = ctx.evaluate

        def anew(free: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
            values = evaluate(free[0])
            same = set(map(id, again.ends(x))) == set(map(id, parameters))
            refuse_changed(same and agree([(values.detach(), y.detach())], again.scale))
            return [values]

        return None, None, *gradients(anew, [x], parameters, [slope])


class Again(NamedTuple):
    """What shows whether an evaluation is still the same in the backward pass.

    Args:
        python: it, by Python.
        scale: see `agree`.
    """

    python: Evaluate
    scale: Callable[[], float]

    def ends(self, x: Tensor) -> list[Tensor]:
        """The leaves that the values at points x follow from, without the points."""
        one = x[:1].detach().requires_grad_()
        return [end for end in leaves(self.python(one)) if end is not one]


def in_portions(evaluate: Evaluate, x: Tensor, rows: int, again: Again | None) -> Tensor:
    """A pointwise function of x (…, D), `rows` of its first axis at a time.

    Args:
        evaluate: the function.
        x: the points.
        rows: how many of the first axis belong to a portion.
        again: given where the function is evaluated again in the backward pass, in place of
            keeping a graph of all portions.
    """
    if x.ndim == 1 or x.shape[0] <= rows:
        return evaluate(x)
    if again is None or not keeps_graph():
        return torch.cat([evaluate(part) for part in x.split(rows)])
    ends = again.ends(x)
    return torch.cat([Portion.apply(evaluate, again, part, *ends) for part in x.split(rows)])


def portion(trial: Trial, x: Tensor, strategy: str, memory: float) -> int:
    """How many points an evaluation may have for its tensors to stay below `memory` GiB.

    Raises:
        ValueError: not even one fits, or f closes over tensors of the number of all points.
    """
    if trial.whole(x):
        raise ValueError(
            "memory= processes the points in portions, but f works only at all of them: it closes "
            "over a tensor with an entry per point; make that a coordinate of x"
        )
    with untouched(trial.f, x.device):
        model = Model(lambda points: trial(points, strategy), x)
    fits = bisect.bisect_right(range(MOST), memory * GIB, key=lambda n: model.at(n).memory) - 1
    if fits < 1:
        needs = model.at(1).memory / GIB
        raise ValueError(f"memory is {memory} GiB, but one point needs {needs:.2g} GiB")
    return fits


def in_cache(trial: Trial, x: Tensor, strategy: str) -> int:
    """How many points an evaluation on a CPU may have for its largest tensor to stay in cache.

    All of them if f works only with all of them, or has buffers, which every call may change.
    """
    buffers = (b for _, module in modules_in(trial.f) for b in module.buffers(recurse=False))
    if x.device.type != "cpu" or next(buffers, None) is not None or trial.whole(x):
        return MOST
    with untouched(trial.f, x.device):
        largest = Model(lambda points: trial(points, strategy), x).largest
    return max(FEWEST, int(CACHE / max(largest, 1)))
