"""One evaluation as a training step or a validation makes it, leaving no trace.

L = Σ |what is read|²,   ∂L/∂θ        θ: every parameter that the graph of L ends in
"""

import itertools
import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Plan, first
from pinn.base.costs import FEW, some
from pinn.checking.autograd_graph import leaves
from pinn.checking.samples import buffers_kept
from pinn.derivatives.evaluate import STRATEGIES, TRACES, evaluate
from pinn.derivatives.outputs import Function, split

TIE = 1.05
COMPONENTS = 8  # of a trace, that a check looks at again
TURN = itertools.count()


@dataclass(frozen=True)
class Trial:
    """An evaluation that can be repeated with any strategy.

    Args:
        f: the function to differentiate.
        plan: the derivatives that are wanted.
        training: whether the backward pass to the parameters belongs to it.
        run: the results at points, by a strategy; by default the value and every derivative.
        budget: seconds that checking, counting and timing may take together.
        tie: the fused pass is taken while it is no more than this many times the fastest: the more,
            the surer two runs take the same strategy, and so the same bits.
        clock: what seconds are read from.
        axes: of the trace Σ_k ∂f_k/∂x_{axes[k]}, where that is all that is wanted.
    """

    f: Function
    plan: Plan
    training: bool = True
    run: Callable[[Tensor, str], Sequence[Tensor]] | None = None
    budget: float = 2.0
    tie: float = TIE
    clock: Callable[[], float] = time.perf_counter
    axes: tuple[int, ...] = ()

    @property
    def strategies(self) -> tuple[str, ...]:
        """The exact strategies that can serve."""
        return tuple(TRACES if self.axes else STRATEGIES)

    def __call__(self, x: Tensor, strategy: str) -> float:
        """The seconds that one evaluation at x takes; parameters' `.grad` are not touched."""
        with torch.inference_mode(False), torch.set_grad_enabled(self.training):
            x = x.detach().clone() if x.is_inference() else x.detach()
            start = self.now(x)
            results = (self.run or self.everything)(x, strategy)
            loss = torch.stack([part.square().sum().to(x.dtype) for part in results]).sum()
            seconds = self.now(x) - start
            ends = leaves(loss)  # a walk in Python that a training step does not make
            if ends:
                start = self.now(x)
                torch.autograd.grad(loss, ends, allow_unused=True, retain_graph=True)
                seconds += self.now(x) - start
        return seconds

    def everything(self, x: Tensor, strategy: str) -> list[Tensor]:
        """The value and the planned derivatives."""
        jet = evaluate(self.f, x, self.plan, strategy)
        return [jet.value, *(jet.stream(channel) for channel in self.plan.channels)]

    def whole(self, x: Tensor) -> bool:
        """Whether f works only at all of the points: it closes over tensors of their number."""
        few = some(x, FEW).detach()
        try:
            with torch.no_grad():
                evaluate(self.f, few, Plan(), "loop")
        except (RuntimeError, ValueError, IndexError):
            return True
        return False

    def now(self, x: Tensor) -> float:
        """The time, once the device has finished what it was given."""
        if x.is_cuda:
            torch.cuda.synchronize(x.device)
        return self.clock()


def some_components(trial: Trial, x: Tensor) -> Trial:
    """A trace of 8 to 15 components, others at each call: its check costs few passes in any d.

    Whatever makes a strategy wrong for a function shows in nearly all of its components, and a
    strategy was held against reverse mode in all of them when it was chosen.
    """
    f, d = trial.f, len(trial.axes)
    if d < 2 * COMPONENTS:
        return trial
    with untouched(f, x.device), torch.no_grad():
        if len(split(f(x.detach().clone()), x.shape[:-1])) != d:
            return trial  # a matrix
    step = d // COMPONENTS
    part = slice(next(TURN) % step, None, step)

    def components(points: Any) -> Any:
        y = f(points)
        return y[part] if isinstance(y, tuple) else y[..., part]

    axes = trial.axes[part]
    return replace(trial, f=components, plan=Plan(tuple(map(first, axes))), axes=axes)


def magnitude(x: Tensor) -> Hashable:
    """What a measurement holds for: numbers of points within a factor of four, and the threads."""
    points = max(x.shape[:-1].numel(), 1)
    return math.ceil(math.log(points, 4)), torch.get_num_threads()


@contextmanager
def untouched(f: Function, device: torch.device) -> Iterator[None]:
    """Random numbers and the buffers of modules are afterwards what they were before."""
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices), buffers_kept(f):
        yield
