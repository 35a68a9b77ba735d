"""The graphs of a run: each held against the Python it was recorded from, and kept.

A graph is held against the Python at other numbers before it is used, so a number that was taken
for a constant shows. It is kept for a state of all that the Python is seen to read. What the Python
reads beyond that shows when the graph is held against it again: at each chunk after 1, 2, 4, … 128
uses, after every 128th, and wherever the run asks for it, as at the end of training.
"""

import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from pinn.base.torch_adapter import recorded
from pinn.cache.rechecks import is_due
from pinn.cache.states import PERIOD
from pinn.objective.chunks import Chunk
from pinn.recording.recording import Function, Recording, Tensors, first_line

MOST = 32  # graphs of one run
FRUITLESS = 4  # graphs of one function that were not used again: it reads something ever new


@dataclass
class Held:
    """A graph that gave the numbers of the Python.

    Args:
        recording: the graph.
        sizes: the norms of its results when it was recorded.
        uses: how often it was used.
        by_chunk: how often at each chunk, by its number.
        checked: of each chunk, the use at which the graph was last held against the Python there.
    """

    recording: Recording
    sizes: list[float]
    uses: int = 0
    by_chunk: Counter[int] = field(default_factory=Counter)
    checked: Counter[int] = field(default_factory=Counter)

    def is_due(self, chunk: int) -> bool:
        """Count a use at a chunk; whether the graph is to be held against the Python there."""
        self.uses += 1
        self.by_chunk[chunk] += 1
        return is_due(self.by_chunk[chunk], PERIOD)


class Recorder:
    """Evaluates functions of (varying, fixed) as graphs, and by their Python where none will do.

    Args:
        tell: is told, in one line and once, why a graph is not used.
        state: numbers the state of all that the Python reads, as it is now.
    """

    def __init__(
        self,
        tell: Callable[[str], None] = print,
        state: Callable[[], int | None] = lambda: None,
    ) -> None:
        self.tell, self.state = tell, state
        self.changing: Counter[tuple] = Counter()  # evaluations that changed what they read
        self.recordings: dict[tuple, Held | None] = {}
        self.setbacks: list[str] = []

    def evaluate(
        self,
        name: Hashable,
        state: int,
        chunk: Chunk,
        function: Function,
        varying: Tensors,
        fixed: Tensors,
        eager: Callable[[], list[Tensor]],
        compiled: bool = False,
        check: bool = False,
    ) -> list[Tensor]:
        """function(varying, fixed), a list of tensors.

        Args:
            name: which function; shapes and precision are added.
            state: the number of the state of all that its Python reads.
            chunk: keeps what follows from the fixed arguments alone.
            function: sees only its arguments.
            varying: what changes at every call.
            fixed: what belongs to the chunk.
            eager: the same evaluated by Python, from the live parameters.
            compiled: hand the graph to the compiler.
            check: hold the graph against the Python now.
        """
        shapes = tuple(t.shape for t in fixed)
        key = (name, state, shapes, compiled, fixed[-1].dtype, fixed[-1].device)
        if key not in self.recordings:
            if reason := self.obstacle(key):
                self.set_back(reason, compiled)
                return eager()
            expected = eager()
            if self.state() not in (state, None):  # to record would change a counter once more
                self.changing[name, *key[2:]] += 1
                return expected
            self.recordings[key] = self.record(function, varying, fixed, expected, compiled, chunk)
            if self.recordings[key] is None:  # what the Python writes to is written to once
                return expected
        held = self.recordings[key]
        if held is None:
            return eager()
        try:
            values = replayed(held.recording, varying, fixed, chunk)
        except Exception as error:  # whatever torch raises where a size or a place is another
            return self.give_up(key, error, eager)
        if held.is_due(chunk.number) or check:
            expected = eager()
            if not agree(values, expected, held.sizes):
                self.recordings[key] = None
                self.confess(held, chunk.number)
                return expected
            held.checked[chunk.number] = held.uses
        return values

    def give_up(
        self, key: tuple, error: Exception, eager: Callable[[], list[Tensor]]
    ) -> list[Tensor]:
        """Never use a graph again that an error ended, say so, and ask the Python.

        Raises:
            Exception: the error, where memory was short: the Python would need as much.
        """
        if is_out_of_memory(error):
            raise error
        self.recordings[key] = None
        why = first_line(error)
        self.tell(f"compile   a recorded step failed, steps run as Python from now on: {why}")
        return eager()

    def obstacle(self, key: tuple) -> str:
        """Why no further graph is made; empty where one is."""
        alike = [h for k, h in self.recordings.items() if (k[0], k[2:]) == (key[0], key[2:])]
        unused = sum(held is not None and held.uses <= 1 for held in alike)
        if unused + self.changing[key[0], *key[2:]] >= FRUITLESS:
            return (
                "what the Python reads is new each time, such as a list that grows or a number "
                "that changes: steps run as Python"
            )
        if len(self.recordings) >= MOST:
            return f"{MOST} graphs were recorded: the problem keeps changing"
        return ""

    def confess(self, held: Held, chunk: int) -> None:
        """Say that a graph stopped giving the numbers of the Python."""
        self.tell(
            "compile   a recorded step no longer gives the numbers of the Python: something that "
            "the Python reads has changed unnoticed. Steps run as Python from now on; up to "
            f"{held.uses - held.checked[chunk]} evaluations before this one used old values"
        )

    def record(
        self,
        function: Function,
        varying: Tensors,
        fixed: Tensors,
        expected: Sequence[Tensor],
        compiled: bool,
        chunk: Chunk,
    ) -> Held | None:
        """A graph that gives the numbers of the Python; None if none does.

        Random numbers that are drawn on the way are drawn again by the next evaluation.
        """
        if not all(bool(t.isfinite().all()) for t in expected):
            return None  # nothing to compare with, and the run is about to say why
        with undrawn(expected[0].device):
            return self.recorded(function, varying, fixed, expected, compiled, chunk)

    def recorded(
        self,
        function: Function,
        varying: Tensors,
        fixed: Tensors,
        expected: Sequence[Tensor],
        compiled: bool,
        chunk: Chunk,
    ) -> Held | None:
        """The same, compiled if that can be, else as recorded."""
        for by_compiler in (True, False) if compiled else (False,):
            try:
                recording = Recording(function, varying, fixed, by_compiler)
                values = replayed(recording, varying, fixed, chunk)
                is_right = agree(values, expected) and holds_elsewhere(
                    recording, function, varying, fixed
                )
            except Exception as error:  # whatever problem, network, torch or the compiler raise
                if is_out_of_memory(error):
                    raise
                self.set_back(first_line(error), compiled)
                continue
            if is_right:
                return Held(recording, [float(t.norm()) for t in expected])
            drawn = ": random numbers are drawn at each" if recording.is_random else ""
            self.set_back(f"its numbers differ from those of the Python{drawn}", compiled)
        return None

    def set_back(self, reason: str, compiled: bool) -> None:
        """Say, once, why a graph is not used."""
        if reason not in self.setbacks:
            self.setbacks.append(reason)
            self.tell(f"compile   no {'compiled' if compiled else 'recorded'} step: {reason}")


@contextmanager
def undrawn(device: torch.device) -> Iterator[None]:
    """What is drawn within it is drawn again behind it, by torch, NumPy and Python."""
    python, numbers = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numbers)


def replayed(recording: Recording, varying: Tensors, fixed: Tensors, chunk: Chunk) -> list[Tensor]:
    """What a graph gives; what follows from the fixed arguments alone is kept with the chunk."""
    prepared = chunk.prepared.find(recording, fixed)
    if prepared is None:
        prepared = recording.prepared(fixed)
        chunk.prepared.keep(recording, fixed, prepared)
    return recording(varying, prepared)


def holds_elsewhere(
    recording: Recording, function: Function, varying: Tensors, fixed: Tensors
) -> bool:
    """Whether a graph gives the numbers of the Python at numbers that it was not recorded at.

    Where the Python raises an error at these, there is nothing to compare with.
    """
    other_varying = [1.1 * mixed(t) + 0.01 if t.is_floating_point() else t for t in varying]
    other_fixed = [mixed(t) for t in fixed]
    try:
        with recorded():  # as when it was recorded: nothing is measured here
            expected = function(
                [t.clone() for t in other_varying], [t.clone() for t in other_fixed]
            )
    except Exception:  # whatever problem and network raise
        return True
    return agree(recording(other_varying, recording.prepared(other_fixed)), expected)


def mixed(tensor: Tensor) -> Tensor:
    """Numbers between neighbours: points that stay in their domain, tables that stay in order."""
    if not tensor.is_floating_point():
        return tensor.clone()
    return torch.lerp(tensor, tensor.roll(1, 0) if tensor.ndim else tensor, 0.3)


def is_out_of_memory(error: Exception) -> bool:
    """Whether an operation found too little memory; torch has no class for it on a CPU."""
    short = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return short or "DefaultCPUAllocator" in str(error)


def agree(
    values: Sequence[Tensor], expected: Sequence[Tensor], sizes: Sequence[float] = ()
) -> bool:
    """Whether two lists of tensors differ by no more than rounding, by the norm of each.

    Where neither is a finite number they are the same.

    Args:
        values: one list.
        expected: the other.
        sizes: norms that the terms of the expected ones may have had before they cancelled.
    """
    eps = torch.finfo(expected[0].dtype).eps
    pairs = list(zip(values, expected, strict=True))
    regular = [torch.where(b.isfinite() | a.isfinite(), b, 0.0) for a, b in pairs]
    gaps = [torch.where(b.isfinite() | a.isfinite(), a - b, 0.0) for a, b in pairs]
    norms, apart = torch.stack([t.norm().double() for t in (*regular, *gaps)]).view(2, -1).tolist()
    spare = 1e-3 * eps**0.5 * max(norms)
    terms = [100 * eps * size for size in sizes] or [0.0] * len(norms)
    bounds = [eps**0.5 * norm + spare + term for norm, term in zip(norms, terms, strict=True)]
    return all(gap <= bound for gap, bound in zip(apart, bounds, strict=True))
