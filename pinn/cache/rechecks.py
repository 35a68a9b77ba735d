"""What was decided for a function, and when the decision is checked again.

A decision is remembered with the function for as long as it lives: with a module, with the object
of a method, with the code of a function, so that `lambda x: net(x)` and `partial(net, t)` made
anew at every call are known. It holds while what the function reads has the same structure. It was
held against reverse mode when it was made, and is again

    when a number that the function reads takes a new value, until it has had 16; a tensor of real
    numbers, such as the time of an ODE's right-hand side, until it has had 4
    after 1, 2, 4, … 512 uses, and after every 512th

Where a function reads something new at every call, such as a list that it makes longer, no decision
is ever used again. After a few of them reverse mode takes their place.
"""

import weakref
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from types import FunctionType, MethodType
from typing import Any

from torch import Tensor

from pinn.base.torch_adapter import are_savings_seen
from pinn.cache.key import read
from pinn.cache.reader import UnreadableError
from pinn.cache.tensor_contents import Contents
from pinn.cache.tracing import unrecorded

Function = Callable[[Any], Any]
MOST = 16  # decisions measured for one function, and values of a number held against reverse mode
REAL = 4  # values of a tensor of real numbers: Python seldom branches on them
FRUITLESS = 3  # decisions that were not used again: further ones are not measured
NEW = 8  # such decisions: the function is ever new
PERIOD = 512


def is_due(uses: int, period: int = PERIOD) -> bool:
    """Whether what has been used so many times is to be held against the Python again."""
    return uses % period == 0 if uses >= period else uses & (uses - 1) == 0


def most(number: Any) -> int:
    """How many values of a number are told apart; one that has more is ever new."""
    return REAL if isinstance(number, Contents) and number.real else MOST


@dataclass
class Remembered:
    """A decision, what it holds for, and notes that hold as long.

    Args:
        decision: what was decided.
        notes: what else is known; None where nothing can be remembered.
        key: the situation and the settings.
        structure: what the function read.
        last: the numbers that it read.
    """

    decision: Any
    notes: dict[Hashable, Any] | None
    key: Hashable = None
    structure: tuple = ()
    last: tuple = ()

    def __post_init__(self) -> None:
        self.uses = 0
        self.is_new = False  # whether the last use had a number that Python may branch on, anew
        self.values: list[set] = [{number} for number in self.last]
        self.held = {self.last}

    def note(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """What is noted under a key, or is computed now."""
        if self.notes is None:
            return compute()
        if key not in self.notes:
            self.notes[key] = compute()
        return self.notes[key]

    def holds(self, key: Hashable, structure: tuple, numbers: tuple) -> bool:
        """Whether it was made for this."""
        alike = self.key == key and self.structure == structure
        return alike and len(self.values) == len(numbers)

    def checked(
        self,
        numbers: tuple,
        check: Callable[[Any], bool],
        again: Callable[[], Any],
        whole: Callable[[Any], bool] | None = None,
    ) -> "Remembered":
        """The same, decided again where it is due to be checked and no longer right."""
        if self.is_due(numbers):
            judge = whole if whole and self.is_new else check
            with unrecorded():
                if not judge(self.decision):
                    self.decision, self.notes = again(), {}
        return self

    def is_due(self, numbers: tuple) -> bool:
        """Whether this use is to be checked; a number that is ever new is left to the period."""
        self.uses += 1
        self.is_new = False
        if numbers != self.last:
            pairs = zip(numbers, self.last, strict=True)
            moved = any(n != old and most(n) > REAL for n, old in pairs)
            self.last = numbers
            for known, number in zip(self.values, numbers, strict=True):
                if len(known) < most(number):
                    known.add(number)
            settled = tuple(
                n if len(known) < most(n) else None
                for known, n in zip(self.values, numbers, strict=True)
            )
            if settled not in self.held:
                if len(self.held) >= MOST**2:
                    self.held.clear()
                self.held.add(settled)
                self.is_new = moved
                return True
        return is_due(self.uses)


KNOWN: weakref.WeakKeyDictionary[Any, list[Remembered]] = weakref.WeakKeyDictionary()


def recall(
    f: Function,
    x: Tensor,
    training: bool,
    settings: Hashable,
    decide: Callable[[bool], Any],
    check: Callable[[Any], bool] = lambda decision: True,
    safe: Callable[[], Any] | None = None,
    beside: Sequence[Any] = (),
    tensors: list[Tensor] | None = None,
    whole: Callable[[Any], bool] | None = None,
) -> Remembered:
    """What was decided for f in this situation, or is decided now.

    Args:
        f: the function.
        x: its points (…, D).
        training: whether gradients are wanted.
        settings: what else the decision depends on.
        decide: decides; told whether measuring is worth its time, as it is where the answer can
            be remembered and the function does not show itself ever new.
        check: whether a decision made earlier still gives the numbers of reverse mode.
        safe: the decision that is right whatever f reads; it is taken for a function that reads
            something new at every call.
        beside: what f is called with besides the points: it is read like what f holds.
        tensors: those that f may read are appended to it, in the order of the reading.
        whole: a check of all components, where a new number may have led f into another branch;
            by default the same check.
    """
    key = settings, circumstances(x, training)
    try:
        memory = KNOWN.setdefault(owner_of(f), [])
        structure, numbers = read(f, *beside, tensors=tensors)
    except (TypeError, UnreadableError):  # no weak reference, or Python cannot look into it
        with unrecorded():
            return Remembered(decide(False), None)
    known = next((e for e in memory if e.holds(key, structure, numbers)), None)
    if known is not None:
        return known.checked(numbers, check, lambda: decide(False), whole)
    fruitless = sum(e.key == key and not e.uses for e in memory)
    if fruitless >= NEW and safe is not None:  # kept without what is read, checked by the period
        known = next((e for e in memory if e.key == (key, NEW)), None)
        if known is None:
            with unrecorded():
                known = Remembered(safe(), {}, (key, NEW))
            memory.append(known)
        return known.checked((), check, safe)
    with unrecorded():
        decision = decide(len(memory) < MOST and fruitless < FRUITLESS)
    memory.append(Remembered(decision, {}, key, structure, numbers))
    del memory[: -2 * MOST]
    return memory[-1]


def owner_of(f: Function) -> Any:
    """The object that a decision is kept with: a module, a method's object, a function's code."""
    while isinstance(f, partial):  # `partial(velocity, t)` is made anew at every call
        f = f.func
    if isinstance(f, MethodType):
        return f.__self__
    return f.__code__ if isinstance(f, FunctionType) else f


def circumstances(x: Tensor, training: bool) -> Hashable:
    """What a decision for points x holds for: it does not depend on how many there are.

    One point alone does not show whether points interact, so an axis of length 1 differs from
    a longer one.
    """
    counts = tuple(min(n, 2) for n in x.shape[:-1])
    return training, counts, x.shape[-1], x.dtype, x.device, are_savings_seen()
