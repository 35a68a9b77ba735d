"""The graphs of a run: each checked against the Python it was recorded from, and kept."""

from collections.abc import Callable, Hashable, Sequence

import torch
from torch import Tensor

from pinn.pieces import Piece
from pinn.recording import Function, Recording, RecordingError, Tensors

MOST = 32  # graphs of one run


class Recorder:
    """Evaluates functions of (varying, fixed) as graphs, and by their Python where none will do.

    Args:
        tell: is told, in one line and once, why a graph is not used.
    """

    def __init__(self, tell: Callable[[str], None] = print) -> None:
        self.tell = tell
        self.recordings: dict[Hashable, Recording | None] = {}
        self.setbacks: list[str] = []

    def evaluate(
        self,
        name: Hashable,
        situation: int | None,
        piece: Piece,
        function: Function,
        varying: Tensors,
        fixed: Tensors,
        eager: Callable[[], list[Tensor]],
        compiled: bool = False,
    ) -> list[Tensor]:
        """function(varying, fixed), a list of tensors.

        Args:
            name: which function; shapes and precision are added.
            situation: the state of all that its Python reads; None where that cannot be told.
            piece: keeps what follows from the fixed arguments alone.
            function: sees only its arguments.
            varying: what changes at every call.
            fixed: what belongs to the piece.
            eager: the same evaluated by Python, from the live parameters.
            compiled: hand the graph to the compiler.
        """
        if situation is None:
            return eager()
        shapes = tuple(t.shape for t in fixed)
        key = (name, situation, shapes, compiled, fixed[-1].dtype, fixed[-1].device)
        if key not in self.recordings:
            if len(self.recordings) >= MOST:
                self.set_back(f"{MOST} graphs were recorded: the problem keeps changing", compiled)
                return eager()
            self.recordings[key] = self.record(function, varying, fixed, eager(), compiled)
        recording = self.recordings[key]
        if recording is None:
            return eager()
        prepared = piece.prepared.find(key, fixed)
        if prepared is None:
            prepared = recording.prepared(fixed)
            piece.prepared.keep(key, fixed, prepared)
        return recording(varying, prepared)

    def record(
        self,
        function: Function,
        varying: Tensors,
        fixed: Tensors,
        expected: Sequence[Tensor],
        compiled: bool,
    ) -> Recording | None:
        """A graph that gives the numbers of the Python; None if none does."""
        for by_compiler in (True, False) if compiled else (False,):
            try:
                recording = Recording(function, varying, fixed, by_compiler)
                found = recording(varying, recording.prepared(fixed))
            except RecordingError as error:
                self.set_back(str(error), compiled)
                continue
            if agree(found, expected):
                return recording
            self.set_back("its numbers differ from those of the Python", compiled)
        return None

    def set_back(self, reason: str, compiled: bool) -> None:
        """Say, once, why a graph is not used."""
        if reason not in self.setbacks:
            self.setbacks.append(reason)
            self.tell(f"compile   no {'compiled' if compiled else 'recorded'} step: {reason}")


def agree(found: Sequence[Tensor], expected: Sequence[Tensor]) -> bool:
    """Whether two lists of tensors differ by no more than rounding, by the norm of each."""
    tolerance = torch.finfo(expected[0].dtype).eps ** 0.5
    largest = max(float(t.norm()) for t in expected)
    return all(
        float((a - b).norm()) <= tolerance * (float(b.norm()) + 1e-3 * largest)
        for a, b in zip(found, expected, strict=True)
    )
