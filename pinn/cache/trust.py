"""What was decided for a function, and how long it is trusted.

A decision is remembered with the function for as long as it lives: with a module, with the object
of a method, with the code of a function, so that `lambda x: net(x)` made anew at every call is
known. It holds while what the function reads has the same structure. It was held against reverse
mode when it was made, and is again

    when a number that the function reads takes a new value
    after 1, 2, 4, … 512 uses, and after every 512th

Where a function reads something new at every call, such as a list that it makes longer, no decision
is ever used again. After a few of them reverse mode takes their place.
"""

import weakref
from collections.abc import Callable, Hashable
from types import FunctionType, MethodType
from typing import Any, NamedTuple

from torch import Tensor

from pinn.base.torch_adapter import are_savings_seen
from pinn.cache.key import UnreadableError, read
from pinn.cache.tracing import unrecorded

Function = Callable[[Any], Any]
MOST = 16  # decisions measured for one function, and values of a number held against reverse mode
FRUITLESS = 3  # decisions that were not used again: further ones are not measured
NEW = 8  # such decisions: the function is ever new
PERIOD = 512


def is_due(uses: int, period: int = PERIOD) -> bool:
    """Whether what has been used so many times is to be held against the Python again."""
    return uses % period == 0 if uses >= period else uses & (uses - 1) == 0


class Trust:
    """When to hold again what depends on numbers.

    Args:
        numbers: those it was made with.
    """

    def __init__(self, numbers: tuple) -> None:
        self.uses = 0
        self.last = numbers
        self.values: list[set] = [{n} for n in numbers]
        self.held = {numbers}

    def due(self, numbers: tuple) -> bool:
        """Whether this use is to be checked; a number that is ever new is left to the period."""
        self.uses += 1
        if numbers != self.last:
            self.last = numbers
            for known, number in zip(self.values, numbers, strict=True):
                if len(known) < MOST:
                    known.add(number)
            settled = tuple(
                n if len(known) < MOST else None
                for known, n in zip(self.values, numbers, strict=True)
            )
            if settled not in self.held:
                if len(self.held) >= MOST**2:
                    self.held.clear()
                self.held.add(settled)
                return True
        return is_due(self.uses)


class Remembered:
    """A decision, what it holds for, and notes that hold as long.

    Args:
        decision: what was decided.
        notes: what else is known; None where nothing can be remembered.
    """

    def __init__(self, decision: Any, notes: dict[Hashable, Any] | None) -> None:
        self.decision, self.notes = decision, notes

    def note(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """What is noted under a key, or is computed now."""
        if self.notes is None:
            return compute()
        if key not in self.notes:
            self.notes[key] = compute()
        return self.notes[key]


class Entry(NamedTuple):
    """One decision of a function.

    Args:
        key: the situation and the settings.
        structure: what the function read.
        trust: how long it is trusted.
        remembered: the decision.
    """

    key: Hashable
    structure: tuple
    trust: Trust
    remembered: Remembered

    def holds(self, key: Hashable, structure: tuple, numbers: tuple) -> bool:
        """Whether it was made for this."""
        alike = self.key == key and self.structure == structure
        return alike and len(self.trust.values) == len(numbers)


KNOWN: weakref.WeakKeyDictionary[Any, list[Entry]] = weakref.WeakKeyDictionary()


def recall(
    f: Function,
    x: Tensor,
    training: bool,
    settings: Hashable,
    decide: Callable[[bool], Any],
    check: Callable[[Any], bool] = lambda decision: True,
    notes: dict[Hashable, Any] | None = None,
    safe: Callable[[], Any] | None = None,
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
        notes: what is noted while deciding is remembered with the decision.
        safe: the decision that is right whatever f reads; it is taken for a function that reads
            something new at every call.
    """
    with unrecorded():
        return recalled(f, (settings, situation(x, training)), decide, check, notes, safe)


def recalled(
    f: Function,
    key: Hashable,
    decide: Callable[[bool], Any],
    check: Callable[[Any], bool],
    notes: dict[Hashable, Any] | None,
    safe: Callable[[], Any] | None,
) -> Remembered:
    """What was decided for f under a key, or is decided now."""
    try:
        memory = KNOWN.setdefault(owner_of(f), [])
        structure, numbers = read(f)
    except (
        TypeError,
        UnreadableError,
    ):  # no weak reference, or an object that Python cannot look into
        return Remembered(decide(False), None)
    entry = next((e for e in memory if e.holds(key, structure, numbers)), None)
    if entry is None:
        fruitless = sum(e.key == key and not e.trust.uses for e in memory)
        if fruitless >= NEW and safe is not None:
            return without_reading(memory, key, check, safe)
        worth = len(memory) < MOST and fruitless < FRUITLESS
        found = Remembered(decide(worth), {} if notes is None else notes)
        memory.append(Entry(key, structure, Trust(numbers), found))
        del memory[: -2 * MOST]
        return found
    found = entry.remembered
    if entry.trust.due(numbers) and not check(found.decision):
        found.decision, found.notes = decide(False), {}
    return found


def without_reading(
    memory: list[Entry], key: Hashable, check: Callable[[Any], bool], safe: Callable[[], Any]
) -> Remembered:
    """The decision for a function that reads something new at every call, checked by the period."""
    known = next((e for e in memory if e.key == (key, NEW)), None)
    if known is None:
        known = Entry((key, NEW), (), Trust(()), Remembered(safe(), {}))
        memory.append(known)
    if known.trust.due(()) and not check(known.remembered.decision):
        known.remembered.decision = safe()
    return known.remembered


def owner_of(f: Function) -> Any:
    """The object that a decision is kept with: a module, a method's object, a function's code."""
    if isinstance(f, MethodType):
        return f.__self__
    return f.__code__ if isinstance(f, FunctionType) else f


def situation(x: Tensor, training: bool) -> Hashable:
    """What a decision for points x holds for: it does not depend on how many there are.

    One point alone does not show whether points interact, so an axis of length 1 differs from
    a longer one.
    """
    counts = tuple(min(n, 2) for n in x.shape[:-1])
    return training, counts, x.shape[-1], x.dtype, x.device, are_savings_seen()
