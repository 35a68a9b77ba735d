"""The graphs of a run: each held against the Python it was recorded from, and kept.

A graph is kept for a state of all that the Python is seen to read. What it reads beyond that shows
when the graph is held against the Python again: after 1, 2, 4, … 128 uses, after every 128th, and
wherever the run asks for it, as at the end of training.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pinn.cache.rechecks import is_due
from pinn.cache.states import PERIOD
from pinn.objective.chunks import Chunk
from pinn.objective.recording import Function, Recording, Tensors
from pinn.objective.tape import RecordingError

MOST = 32  # graphs of one run
FRUITLESS = 4  # graphs of one function that were not used again: it reads something ever new


@dataclass
class Held:
    """A graph that gave the numbers of the Python.

    Args:
        recording: the graph.
        sizes: the norms of its results when it was recorded.
        uses: how often it was used.
        checked: the use at which it was last held against the Python.
    """

    recording: Recording
    sizes: list[float]
    uses: int = 0
    checked: int = 0


class Recorder:
    """Evaluates functions of (varying, fixed) as graphs, and by their Python where none will do.

    Args:
        tell: is told, in one line and once, why a graph is not used.
    """

    def __init__(self, tell: Callable[[str], None] = print) -> None:
        self.tell = tell
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
            self.recordings[key] = self.record(function, varying, fixed, eager(), compiled, chunk)
        held = self.recordings[key]
        if held is None:
            return eager()
        values = replayed(held.recording, varying, fixed, chunk)
        held.uses += 1
        if check or is_due(held.uses, PERIOD):
            expected = eager()
            if not agree(values, expected, held.sizes):
                self.recordings[key] = None
                self.confess(held)
                return expected
            held.checked = held.uses
        return values

    def obstacle(self, key: tuple) -> str:
        """Why no further graph is made; empty where one is."""
        alike = [h for k, h in self.recordings.items() if (k[0], k[2:]) == (key[0], key[2:])]
        if sum(held is not None and held.uses <= 1 for held in alike) >= FRUITLESS:
            return (
                "what the Python reads is new each time, such as a list that grows or a number "
                "that changes: steps run as Python"
            )
        if len(self.recordings) >= MOST:
            return f"{MOST} graphs were recorded: the problem keeps changing"
        return ""

    def confess(self, held: Held) -> None:
        """Say that a graph stopped giving the numbers of the Python."""
        self.tell(
            "compile   a recorded step no longer gives the numbers of the Python: something that "
            "the Python reads has changed unnoticed. Steps run as Python from now on; up to "
            f"{held.uses - held.checked} evaluations before this one used old values"
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
        """A graph that gives the numbers of the Python; None if none does."""
        if not all(bool(t.isfinite().all()) for t in expected):
            return None  # nothing to compare with, and the run is about to say why
        for by_compiler in (True, False) if compiled else (False,):
            try:
                recording = Recording(function, varying, fixed, by_compiler)
                values = replayed(recording, varying, fixed, chunk)
            except RecordingError as error:
                self.set_back(str(error), compiled)
                continue
            if agree(values, expected):
                return Held(recording, [float(t.norm()) for t in expected])
            self.set_back("its numbers differ from those of the Python", compiled)
        return None

    def set_back(self, reason: str, compiled: bool) -> None:
        """Say, once, why a graph is not used."""
        if reason not in self.setbacks:
            self.setbacks.append(reason)
            self.tell(f"compile   no {'compiled' if compiled else 'recorded'} step: {reason}")


def replayed(recording: Recording, varying: Tensors, fixed: Tensors, chunk: Chunk) -> list[Tensor]:
    """What a graph gives; what follows from the fixed arguments alone is kept with the chunk."""
    prepared = chunk.prepared.find(recording, fixed)
    if prepared is None:
        prepared = recording.prepared(fixed)
        chunk.prepared.keep(recording, fixed, prepared)
    return recording(varying, prepared)


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
