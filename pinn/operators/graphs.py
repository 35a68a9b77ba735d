"""How an evaluation is run: by Python, from a recorded graph, or from a compiled one.

The three give the same numbers up to rounding (Python and recorded the same bits), so the choice is
one of time. A graph is held against the Python before it is used, after 1, 2, 4, … 128 uses, and
after every 128th.
"""

import time
import warnings
from collections.abc import Hashable, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor

from pinn.base.costs import number
from pinn.cache.rechecks import is_due
from pinn.cache.tracing import keeps_graph
from pinn.operators.evaluation import Evaluation
from pinn.operators.partial import gradients
from pinn.operators.sameness import agree, refuse_changed
from pinn.recording.pair import Pair
from pinn.recording.tape import RecordingError

PERIOD = 128
RECORDING = 0.5  # seconds that an evaluation has taken in all, before it is recorded
COMPILING = 30.0  # the same before it is compiled
BACKWARD = 3  # times the seconds of the value, with its gradient
FASTER = 0.95  # of the time of what is replaced
GRADIENT = attrgetter("grad_fn")
MOST = 16  # evaluations of a function with graphs


def graphs_of(job: Evaluation) -> "Graphs | None":
    """The graphs of an evaluation, noted beside the choice; None where there are too many."""
    ways: dict[Hashable, Graphs] = job.known.note("graphs", dict)
    key = job.key
    graphs = ways.get(key)
    if graphs is None and len(ways) < MOST:
        graphs = ways[key] = Graphs()
    return graphs


class Recorded(torch.autograd.Function):
    """An evaluation by a pair of programs; what is differentiated again runs the Python."""

    @staticmethod
    def forward(ctx: Any, pair: Pair, job: Evaluation, count: int, *inputs: Tensor) -> Tensor:
        """The values, without a graph."""
        y, *kept = pair.values(inputs)
        ctx.pair, ctx.job, ctx.count = pair, job, count
        ctx.save_for_backward(y, *inputs, *kept)
        return y

    @staticmethod
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients of the tensors and the points, where wanted."""
        (y, *saved), pair, job = ctx.saved_tensors, ctx.pair, ctx.job
        inputs, kept = saved[: ctx.count], saved[ctx.count :]

        def again(free: Sequence[Tensor], _: Sequence[Tensor]) -> list[Tensor]:
            values = job.python(free[0])
            refuse_changed(job.reads_the_same and agree([(values.detach(), y.detach())], job.scale))
            return [values]

        if torch.is_grad_enabled():
            places = [k for k, t in enumerate(inputs[:-1]) if t.requires_grad]
            parameters = [inputs[k] for k in places]
            slopes = gradients(again, inputs[-1:], parameters, [slope])
            slots = [ctx.count - 1, *places]
        else:
            slopes, slots = pair.gradients(inputs, slope.contiguous(), kept), pair.slots
        results: list[Tensor | None] = [None] * ctx.count
        for k, gradient in zip(slots, slopes, strict=True):
            results[k] = gradient
        return None, None, None, *results


class Graphs:
    """The ways to run one evaluation: a function, a strategy, a number of points, and a mode."""

    def __init__(self) -> None:
        self.way = "python"  # the one in use
        self.tried: list[str] = []
        self.spent = 0.0  # seconds of all evaluations
        self.uses = 0  # of graphs
        self.pairs: dict[tuple, Pair] = {}  # by the way and the shape of their points
        self.reason = ""  # why a graph is not used

    def values(self, job: Evaluation) -> Tensor:
        """The values at all points."""
        if next_way := self.due(job):
            self.attempt(next_way, job)
        start = time.perf_counter()
        if self.way != "python":
            self.uses += 1
            if is_due(self.uses, PERIOD):
                self.recheck(job)
        result = self.run(self.way, job)
        self.spent += (time.perf_counter() - start) * (BACKWARD if job.trial.training else 1)
        return result

    def due(self, job: Evaluation) -> str | None:
        """The way to be tried now; None if none is."""
        if job.compile is True:
            return None if self.tried else "compiled"
        limits = {"recorded": RECORDING, "compiled": COMPILING}
        due = (way for way, s in limits.items() if self.spent > s and way not in self.tried)
        return next(due, None)

    def attempt(self, way: str, job: Evaluation) -> None:
        """Make the graph of the first portion, and use it if it is right, and faster or wanted."""
        self.tried.append(way)
        try:
            with job.tried():
                self.make(way, job, job.first_portion(way))
            if job.compile is True or self.is_faster(way, job):
                self.way = way
        except RecordingError as error:
            self.reason = str(error)
            if job.compile is not True:
                return
            if way == "compiled":
                self.attempt("recorded", job)
            if self.way != "compiled":
                warnings.warn(f"no {way} divergence: {self.reason}", stacklevel=6)

    def make(self, way: str, job: Evaluation, part: Tensor) -> Pair:
        """The graph for points of the shape of a part, held against the Python.

        Raises:
            RecordingError: there is none, or its numbers differ.
        """
        graph, compiled = keeps_graph(), way == "compiled"
        pair = Pair(job.recordable(way), job.tensors, part, graph, compiled)
        if not is_right(pair, job, part):
            raise RecordingError("its numbers differ from those of the Python")
        self.pairs[way, part.shape] = pair
        return pair

    def recheck(self, job: Evaluation) -> None:
        """Hold a graph against the Python again; where it differs, run Python from now on."""
        part = job.first_portion(self.way)
        pair = self.pairs.get((self.way, part.shape))
        if pair is not None and not is_right(pair, job, part):
            self.way, self.tried = "python", ["recorded", "compiled"]
            warnings.warn(
                "a recorded divergence no longer gives the numbers of the Python: something that "
                "f reads has changed unnoticed. f runs as Python from now on; up to "
                f"{self.uses // 2} evaluations before this one used old values",
                stacklevel=6,
            )

    def is_faster(self, way: str, job: Evaluation) -> bool:
        """Whether a way takes less time than the one in use: the best of three turns each."""
        job = replace(job, x=job.x.detach().requires_grad_(job.x.requires_grad))
        times: dict[str, list[float]] = {self.way: [], way: []}
        for _ in range(4):
            for name, spent in times.items():
                start = time.perf_counter()
                with torch.set_grad_enabled(keeps_graph()):
                    ends = [t for t in (*job.tensors, job.x) if t.requires_grad]
                    y = self.run(name, job)
                    if y.requires_grad:
                        torch.autograd.grad(y.sum(), ends, allow_unused=True)
                if job.x.is_cuda:
                    torch.cuda.synchronize(job.x.device)
                spent.append(time.perf_counter() - start)
        return min(times[way][1:]) < FASTER * min(times[self.way][1:])

    def run(self, way: str, job: Evaluation) -> Tensor:
        """The values at all points, one way, in portions."""
        return job.values(partial(self.portion, way, job), way)

    def portion(self, way: str, job: Evaluation, part: Tensor) -> Tensor:
        """The values at some of the points."""
        if way == "python" or number(part) == 1:
            return job.python(part)
        part = part.contiguous()
        pair = self.pairs.get((way, part.shape))
        if pair is None:
            try:
                pair = self.make(way, job, part)
            except RecordingError as error:
                self.way, self.reason = "python", str(error)
                return job.python(part)
        inputs = pair.picked([*job.tensors, part])
        has_graph, trains = any(map(GRADIENT, inputs[:-1])), keeps_graph()
        if has_graph or not pair.fits(inputs) or (trains and not pair.differentiated):
            return job.python(part)
        if trains and pair.slots:  # not in inference mode
            return Recorded.apply(pair, job, len(inputs), *inputs)
        if torch.is_inference_mode_enabled():
            with torch.inference_mode(False):
                return pair.values(inputs)[0]
        return pair.values(inputs)[0]


def is_right(pair: Pair, job: Evaluation, part: Tensor) -> bool:
    """Whether a graph gives the values and gradients of the Python at some points."""
    at = part.detach().requires_grad_(part.requires_grad and pair.differentiated)
    inputs = pair.picked([*job.tensors, at])
    if not pair.fits(inputs) or any(t.grad_fn is not None for t in inputs):
        return False
    with torch.inference_mode(False), torch.set_grad_enabled(pair.differentiated):
        y, *kept = pair.values(inputs)
        expected = job.python(at)
        pairs = [(y, expected.detach())]
        if pair.slots:
            slope = torch.linspace(-1, 2, y.numel(), dtype=y.dtype, device=y.device).view(y.shape)
            ends = [inputs[k] for k in pair.slots]
            wanted = torch.autograd.grad(expected, ends, slope, materialize_grads=True)
            pairs += zip(pair.gradients(inputs, slope, kept), wanted, strict=True)
    return agree(pairs, job.scale)
