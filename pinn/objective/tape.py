"""What follows from the points alone, while a step is recorded: evaluated, not traced.

Tracing an operation takes milliseconds, running it microseconds. A source term may have thousands
of operations on the coordinates; they are run, noted, and run again for other points.
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from pinn.base.torch_adapter import DispatchMode, flatten, tensors_in, unflatten, untraced


class InPlaceError(RuntimeError):
    """An operation writes to its arguments, so that what follows from the points is not known."""


class Slot(int):
    """The place of a tensor among those that follow from the points."""


class Note:
    """One operation.

    Args:
        function: what ran.
        given: its arguments, flattened, with slots in the place of tensors.
        form: how they are nested.
        slots: of its results.
    """

    __slots__ = ("form", "function", "given", "last", "slots")

    def __init__(self, function: Any, given: list[Any], form: Any, slots: list[Slot]) -> None:
        self.function, self.given, self.form, self.slots = function, given, form, slots
        self.last: list[Slot] = []

    def run(self, values: dict[int, Tensor]) -> None:
        """Once more."""
        flat = [values[g] if type(g) is Slot else g for g in self.given]
        args, settings = unflatten(flat, self.form)
        result = self.function(*args, **settings)
        for slot, tensor in zip(self.slots, tensors_in(result), strict=True):
            values[slot] = tensor
        for slot in self.last:
            values.pop(slot, None)


class Tape(DispatchMode):
    """Runs what follows from some tensors alone, and notes it; the rest is left to the tracer.

    Args:
        fixed: the tensors.

    Raises:
        InPlaceError: within it, an operation writes to its arguments.
    """

    def __init__(self, fixed: Sequence[Tensor]) -> None:
        super().__init__()
        self.known: Any = WeakTensorKeyDictionary()
        self.literals: dict[Slot, Tensor] = {}
        self.notes: list[Note] = []
        self.made: dict[tuple, list[Slot]] = {}
        self.traced: Any = WeakTensorKeyDictionary()
        self.count = 0
        self.fixed = [self.slot(tensor) for tensor in fixed]
        self.moving = set(self.fixed)

    def slot(self, tensor: Tensor) -> Slot:
        """A new slot for a tensor."""
        slot = Slot(self.count)
        self.count += 1
        self.known[tensor] = slot
        return slot

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        flat, form = flatten((args, kwargs or {}))
        tensors = [t for t in flat if isinstance(t, Tensor)]
        if is_mutable(func):
            raise InPlaceError(f"{func} writes to its arguments")
        if func is torch.ops.aten.lift_fresh.default and tensors[0] not in self.traced:
            return self.literal(tensors[0])
        if is_random(func) or not all(t in self.known for t in tensors):
            result = func(*args, **(kwargs or {}))
            for tensor in tensors_in(result):
                self.traced[tensor] = True
            return result
        given = [self.known[t] if isinstance(t, Tensor) else t for t in flat]
        moves = any(g in self.moving for g in given if type(g) is Slot)
        if torch.Tag.data_dependent_output in func.tags and moves:
            raise RuntimeError(
                "the Python code needs the value of a number, as float(…), int(…) and `if` do; at "
                "other points this number is another one"
            )
        with untraced():
            result = func(*args, **(kwargs or {}))
        self.note(func, given, form, moves, tensors_in(result))
        return result

    def note(self, func: Any, given: list[Any], form: Any, moves: bool, results: list) -> None:
        """Note an operation; an equal one on equal arguments has the same slots."""
        if not results:
            return
        # 1 and 1.0 are equal, not the same; nor is the number 2 the tensor in slot 2.
        key = func, tuple((type(g), repr(g)) for g in given), repr(form)
        if key in self.made:
            for tensor, slot in zip(results, self.made[key], strict=True):
                self.known[tensor] = slot
            return
        slots = [self.slot(tensor) for tensor in results]
        self.made[key] = slots
        self.notes.append(Note(func, given, form, slots))
        if moves:
            self.moving.update(slots)

    def literal(self, tensor: Tensor) -> Tensor:
        """A number or list that Python turned into a tensor."""
        slot = self.slot(tensor)
        with untraced():
            self.literals[slot] = tensor.clone()
        return tensor


class Replay:
    """(fixed tensors) → the tensors in the wanted slots.

    Args:
        tape: what was noted.
        wanted: the slots.
    """

    def __init__(self, tape: Tape, wanted: Sequence[Slot]) -> None:
        self.fixed, self.wanted, needed = tape.fixed, list(wanted), set(wanted)
        self.notes: list[Note] = []
        for note in reversed(tape.notes):
            if needed.isdisjoint(note.slots):
                continue
            used = {g for g in note.given if type(g) is Slot}
            note.last = [s for s in (*used, *note.slots) if s not in needed]
            needed |= used
            self.notes.append(note)
        self.notes.reverse()
        self.literals = {s: t for s, t in tape.literals.items() if s in needed}

    def __call__(self, *fixed: Tensor) -> list[Tensor]:
        """The tensors at these points."""
        values: dict[int, Tensor] = dict(zip(self.fixed, fixed, strict=True))
        for slot, literal in self.literals.items():
            values[slot] = literal
        for note in self.notes:
            note.run(values)
        return [values[slot] for slot in self.wanted]


@cache
def is_mutable(func: Any) -> bool:
    """Whether an operation writes to its arguments."""
    schema = getattr(func, "_schema", None)
    return bool(schema is not None and schema.is_mutable)


@cache
def is_random(func: Any) -> bool:
    """Whether an operation draws random numbers."""
    return torch.Tag.nondeterministic_seeded in getattr(func, "tags", ())
