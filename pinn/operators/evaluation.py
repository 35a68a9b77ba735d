"""One evaluation at many points: in which portions, and whether it may have a graph."""

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from pinn.base.costs import number, some
from pinn.base.processes import processes
from pinn.base.torch_adapter import hooks, is_watched
from pinn.cache.key import read
from pinn.cache.rechecks import Remembered
from pinn.checking.samples import modules_in
from pinn.choosing.sample_step import Trial, untouched
from pinn.derivatives.evaluate import STRATEGIES
from pinn.operators.arguments import Call
from pinn.operators.chunked_points import (
    FEWEST,
    MANY,
    MOST,
    Again,
    in_cache,
    in_portions,
    portion,
)
from pinn.recording.tape import RecordingError

Compile = bool | Literal["auto"]
Evaluate = Callable[[Tensor], Tensor]
SMALLER = 8  # times, are the portions of a compiled evaluation
FEW = 16  # points that show the size of the derivatives


@dataclass
class Evaluation:
    """An evaluation to be run: f at points, by a strategy.

    Args:
        by: (strategy, points) ↦ the values there, by Python.
        strategy: the one chosen.
        x: all points.
        known: the choice; how many points a portion has is noted beside it.
        trial: the same evaluation, as it was measured.
        memory: GiB that the tensors of a portion may take; else they stay in cache.
        graphs: the call of f with all tensors that f may read; None where no graph is to be used.
        compile: what was asked for.
    """

    by: Callable[[str, Tensor], Tensor]
    strategy: str
    x: Tensor
    known: Remembered
    trial: Trial
    memory: float | None = None
    graphs: tuple[Call, list[Tensor]] | None = None
    compile: Compile = False

    @property
    def may_have_a_graph(self) -> bool:
        """Whether it can be run from a graph where it is, as far as is seen at once.

        With several processes only if that is asked for: f may hold collectives, and no clock may
        decide how often a process runs it.
        """
        known = self.known
        wanted = self.graphs is not None and (
            self.compile is True or (bool(self.compile) and processes() == 1)
        )
        readable = known.notes is not None and bool(known.structure)
        return wanted and readable and number(self.x) > 1 and not is_watched()

    @property
    def key(self) -> Hashable:
        """What a graph holds for, beside the choice: all numbers that f reads are in it."""
        x, compile = self.x, self.compile
        trains = self.trial.training
        return self.strategy, x.shape, x.requires_grad, trains, self.known.last, compile

    @property
    def tensors(self) -> list[Tensor]:
        """What f may read besides the points."""
        return [] if self.graphs is None else self.graphs[1]

    @property
    def reads_the_same(self) -> bool:
        """Whether f still reads the tensors that it read when the evaluation was made."""
        now: list[Tensor] = []
        if self.graphs is not None:
            read(self.graphs[0].f, *self.graphs[0].beside, tensors=now)
        return list(map(id, now)) == list(map(id, self.tensors))

    def python(self, part: Tensor) -> Tensor:
        """The values at some points, by Python."""
        return self.by(self.strategy, part)

    def recordable(self, way: str) -> Evaluate:
        """What is recorded for a way: the compiler gets as few operations as can be."""
        return partial(self.by, self.known.decision.briefest) if way == "compiled" else self.python

    def values(self, evaluate: Evaluate | None = None, way: str = "python") -> Tensor:
        """The values at all points, in portions.

        Args:
            evaluate: gives those at some points; by default by Python.
            way: the one that portions are made for.
        """
        evaluate, rows, x = evaluate or self.python, self.rows(way), self.x
        if rows is None:
            return evaluate(x)
        again = None if self.memory is None else Again(self.python, self.scale)
        return in_portions(evaluate, x, rows, again)

    def rows(self, way: str) -> int | None:
        """How many of the first axis of the points belong to a portion; None for all of them."""
        x, memory, known = self.x, self.memory, self.known
        few = number(x) <= MANY or known.notes is None
        if few if memory is None else x.numel() == 0:
            return None
        compiled = way == "compiled"
        strategy = known.decision.briefest if compiled else self.strategy
        points = known.note(("points", memory, strategy), partial(self.fitting, strategy))
        if compiled and memory is None and points < MOST:
            points = max(FEWEST, points // SMALLER)
        rows = max(1, points // x.shape[1:-1].numel())
        return rows if way == "python" else alike(x.shape[0], rows)

    def fitting(self, strategy: str) -> int:
        """How many points a portion may have."""
        if self.memory is None:
            return in_cache(self.trial, self.x, strategy)
        return portion(self.trial, self.x, strategy, self.memory)

    @contextmanager
    def tried(self) -> Iterator[None]:
        """Within it f runs some times more than it is called, to make a graph, without a trace.

        Raises:
            RecordingError: a graph would leave out hooks, or f changes what it reads.
        """
        assert self.graphs is not None
        f, beside = self.graphs[0].f, self.graphs[0].beside
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
        strategy = self.strategy if self.strategy in STRATEGIES else "loop"
        with torch.no_grad():
            _, *slopes = self.trial.everything(some(self.x.detach(), FEW), strategy)
        return max((float(s.abs().max()) for s in slopes), default=0.0)

    def first_portion(self, way: str) -> Tensor:
        """The points of the first portion."""
        rows = self.rows(way)
        return (self.x if rows is None else self.x[:rows]).contiguous()


def alike(n: int, rows: int) -> int:
    """The size of portions of at most so many rows, of equal size where that can be."""
    count = -(-n // max(rows, 1))
    count = next((k for k in range(count, 2 * count) if n % k == 0), count)
    return -(-n // count)
