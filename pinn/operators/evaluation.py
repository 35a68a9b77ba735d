"""One evaluation at many points: in which portions, and whether it may have a graph."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from pinn.base.costs import number, some
from pinn.base.torch_adapter import hooks, is_watched
from pinn.cache.key import read
from pinn.cache.rechecks import Remembered
from pinn.checking.samples import modules_in
from pinn.choosing.sample_step import Trial, untouched
from pinn.operators.arguments import Call
from pinn.operators.chunked_points import FEWEST, MANY, MOST, in_cache, portion
from pinn.recording.tape import RecordingError

Compile = bool | Literal["auto"]
Evaluate = Callable[[Tensor], Tensor]
SMALLER = 8  # times, are the portions of a compiled evaluation
FEW = 16  # points that show the size of the derivatives


@dataclass
class Evaluation:
    """An evaluation to be run: f at points, by a strategy.

    Args:
        python: the values at some points, by Python.
        tensors: what f may read besides the points.
        x: the points.
        rows: how many of their first axis belong to a portion, by the way to run.
        again: whether portions are evaluated again in the backward pass.
        compile: what was asked for.
        strategy: by which.
        call: of f.
        trial: the same evaluation, as it was measured.
    """

    python: Evaluate
    tensors: Sequence[Tensor]
    x: Tensor
    rows: Callable[[str], int | None]
    again: bool
    compile: Compile
    strategy: str
    call: Call
    trial: Trial

    @contextmanager
    def tried(self) -> Iterator[None]:
        """Within it f runs some times more than it is called, to make a graph, without a trace.

        Raises:
            RecordingError: a graph would leave out hooks, or f changes what it reads.
        """
        f, beside = self.call.f, self.call.beside
        parts = [module for root in (f, *beside) for _, module in modules_in(root)]
        if any(True for module in parts for _ in hooks(module)):
            raise RecordingError("a module has hooks, which a graph leaves out")
        before = read(f, *beside)
        with untouched(self.trial.f, self.x.device):
            yield
        if read(f, *beside) != before:
            raise RecordingError("f changes what it reads, such as a counter")

    def scale(self) -> float:
        """The largest derivative at a few points."""
        with torch.no_grad():
            _, *slopes = self.trial.everything(some(self.x.detach(), FEW), self.strategy)
        return max((float(s.abs().max()) for s in slopes), default=0.0)

    def first_portion(self, way: str) -> Tensor:
        """The points of the first portion."""
        rows, n = self.rows(way), self.x.shape[0]
        return (self.x if rows is None or n <= rows else self.x[: alike(n, rows)]).contiguous()


def rows_of(
    trial: Trial, x: Tensor, strategy: str, known: Remembered, memory: float | None, way: str
) -> int | None:
    """How many of the first axis of the points belong to a portion; None for all of them.

    Args:
        trial: the evaluation.
        x: the points.
        strategy: its strategy.
        known: the choice, beside which the number of points of a portion is noted.
        memory: GiB that the tensors of a portion may take; else they stay in cache.
        way: `python`, `recorded` or `compiled`.
    """

    def count() -> int:
        if memory is None:
            return in_cache(trial, x, strategy)
        return portion(trial, x, strategy, memory)

    few = number(x) <= MANY or known.notes is None
    if few if memory is None else x.numel() == 0:
        return None
    points = known.note(("points", memory, strategy), count)
    if way == "compiled" and memory is None and points < MOST:
        points = max(FEWEST, points // SMALLER)
    return max(1, points // x.shape[1:-1].numel())


def alike(n: int, rows: int) -> int:
    """The size of portions of at most so many rows, of equal size where that can be."""
    count = -(-n // max(rows, 1))
    count = next((k for k in range(count, 2 * count) if n % k == 0), count)
    return -(-n // count)


def is_graph_possible(known: Remembered, x: Tensor) -> bool:
    """Whether an evaluation can be run from a graph where it is, as far as is seen at once."""
    return bool(known.structure) and known.notes is not None and x.numel() > 0 and not is_watched()
