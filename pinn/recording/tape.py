"""The operations of a function, written down while they run, as the lines of a program.

A tape sees operations below autograd and not Python, so fields, modules and nested reverse mode
are recorded alike. An operation is run as it is and noted, which takes some microseconds.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from pinn.base.torch_adapter import DispatchMode, storage_key

CONSTANT, FIXED, VARYING = range(3)  # what a tensor follows from, the last of these counts
READING = (
    "the problem or a network reads values as plain numbers, by .item(), float(), .numpy(), "
    ".tolist(), print or if"
)
SIZES = (
    "the size of a tensor depends on values, as by a mask u[u > 0], nonzero or unique: "
    "torch.where(u > 0, …, 0) keeps the size"
)


class RecordingError(RuntimeError):
    """A function cannot be run as a graph; whoever asked runs its Python."""


class InPlaceError(RuntimeError):
    """An operation writes to its arguments."""


class Line(NamedTuple):
    """One operation.

    Args:
        function: what ran.
        call: how it is written, such as `c3(v1, 2.0)`.
        given: the names of its tensors.
        results: the names of those it gives, with the place of each in the result.
        level: what it follows from.
        stays: whether it runs although nobody needs its results.
    """

    function: Any
    call: str
    given: tuple[str, ...]
    results: dict[str, str]
    level: int
    stays: bool


class Tape(DispatchMode):
    """Notes what runs within it; an equal operation on equal arguments once.

    Args:
        varying: tensors that change at every call.
        fixed: tensors that stay over many calls.
        in_place: operations may write to their arguments. Nothing is then known to be equal, nor
            to follow from the fixed tensors alone.

    Raises:
        InPlaceError: within it, an operation writes to its arguments although none may.
        RecordingError: within it, Python reads a number that changes from call to call, a size
            depends on such numbers, or an operation writes to what is varying or fixed.
    """

    def __init__(
        self, varying: Sequence[Tensor], fixed: Sequence[Tensor], in_place: bool = False
    ) -> None:
        super().__init__()
        self.in_place = in_place
        self.refusal: Exception | None = None  # what was raised first, and others may have caught
        self.is_running = False  # inside of an operation, which may do what it likes
        self.variables: Any = WeakTensorKeyDictionary()
        self.levels: dict[str, int] = {}
        self.lines: list[Line] = []
        self.written: dict[str, Line] = {}
        self.names: dict[Any, str] = {}
        self.namespace: dict[str, Any] = {}
        self.literals: dict[str, Tensor] = {}  # numbers and lists that Python turned into tensors
        self.foreign: dict[str, torch.Size] = {}  # shapes of tensors of which nothing is known
        self.varying = [self.variable(tensor, VARYING) for tensor in varying]
        self.fixed = [self.variable(tensor, FIXED) for tensor in fixed]
        self.inputs = {storage_key(tensor) for tensor in (*varying, *fixed)}

    def refuse(self, error: Exception) -> NoReturn:
        """Raise an error, and keep it: the Python that is recorded may catch it."""
        self.refusal = self.refusal or error
        raise error

    def refuse_reading(self, tensors: Sequence[Tensor]) -> None:
        """Refuse that Python reads one of these, unless it is the same at every call.

        Raises:
            RecordingError: it is not, or nothing is known of it.
        """
        for tensor in tensors:
            name = self.variables.get(tensor)
            if name is None or self.levels[name] > CONSTANT:
                self.refuse(RecordingError(READING))

    def variable(self, tensor: Tensor, level: int) -> str:
        """A new name for a tensor."""
        self.variables[tensor] = name = f"v{len(self.levels)}"
        self.levels[name] = VARYING if self.in_place else level
        return name

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        self.is_running = True
        try:
            return self.noted(func, args, kwargs or {})
        finally:
            self.is_running = False

    def noted(self, func: Any, args: tuple, kwargs: dict) -> Any:
        """What an operation gives, once it is noted."""
        self.check_writing(func, args, kwargs)
        if func is torch.ops.aten.lift_fresh.default and args[0] not in self.variables:
            func = torch.ops.aten.clone.default  # in place of a literal, which stays as it is
            self.literals[self.variable(args[0], CONSTANT)] = args[0].clone()
        given: list[str] = []
        parts = [self.written_as(value, given) for value in args]
        parts += [f"{name}={self.written_as(value, given)}" for name, value in kwargs.items()]
        level = max((self.levels[name] for name in given), default=CONSTANT)
        if self.in_place:  # what is made here may be written to: it is made anew at each step
            level = VARYING
        if level > CONSTANT and torch.Tag.data_dependent_output in func.tags:
            self.refuse(RecordingError(READING))
        if any(self.levels[self.variables[t]] > CONSTANT for t in deciding(func, args)):
            self.refuse(RecordingError(SIZES))
        result = func(*args, **kwargs)
        if level > CONSTANT and any(t.layout is not torch.strided for _, t in tensors_of(result)):
            self.refuse(RecordingError(SIZES))  # of a sparse tensor, the number of entries
        call = f"{self.name(func, func)}({', '.join(parts)})"
        self.note(func, call, given, VARYING if is_random(func) else level, result)
        return result

    def check_writing(self, func: Any, args: tuple, kwargs: dict) -> None:
        """Refuse operations that write to their arguments, or only those that write to the inputs.

        Raises:
            InPlaceError, RecordingError: this one does.
        """
        if is_mutable(func) and not self.in_place:
            self.refuse(InPlaceError(f"{func} writes to its arguments"))
        if self.in_place and any(
            storage_key(t) in self.inputs for t in written(func, args, kwargs)
        ):
            self.refuse(RecordingError("the problem or a network writes to a buffer or parameter"))

    def note(self, func: Any, call: str, given: list[str], level: int, result: Any) -> None:
        """Note an operation, or what it equals."""
        results = list(tensors_of(result))
        line = self.written.get(call)
        if line is not None:
            for name, (_, tensor) in zip(line.results, results, strict=True):
                self.variables[tensor] = name
        elif func is torch.ops.aten.detach.default and not self.in_place:
            self.variables[result] = given[0]
        elif results or self.in_place:
            names = {self.variable(tensor, level): place for place, tensor in results}
            stays = self.in_place or is_random(func)
            self.lines.append(Line(func, call, tuple(given), names, level, stays))
            if not stays:
                self.written[call] = self.lines[-1]

    def written_as(self, value: Any, given: list[str]) -> str:
        """An argument of an operation; the name of a tensor is appended to those given."""
        if isinstance(value, Tensor):
            if value not in self.variables:
                self.foreign[self.variable(value, CONSTANT)] = value.shape
            given.append(self.variables[value])
            return given[-1]
        if isinstance(value, list | tuple):
            return f"[{', '.join([self.written_as(part, given) for part in value])}]"
        # 1 and 1.0 are equal, not the same.
        return repr(value) if type(value) is int else self.name((type(value), repr(value)), value)

    def name(self, key: Any, value: Any) -> str:
        """The name of an operation or of a constant."""
        if key not in self.names:
            self.names[key] = f"c{len(self.names)}"
            self.namespace[self.names[key]] = value
        return self.names[key]


def tensors_of(result: Any, place: str = "") -> Iterator[tuple[str, Tensor]]:
    """The tensors in what an operation gives, each with its place."""
    if isinstance(result, Tensor):
        yield place, result
    elif isinstance(result, list | tuple):
        for k, part in enumerate(result):
            yield from tensors_of(part, f"{place}[{k}]")


@cache
def is_mutable(func: Any) -> bool:
    """Whether an operation writes to its arguments."""
    return getattr(getattr(func, "_schema", None), "is_mutable", False)


def written(func: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    """The tensors that an operation writes to."""
    if is_mutable(func):
        for place, argument in enumerate(func._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                value = args[place] if place < len(args) else kwargs.get(argument.name)
                yield from (tensor for _, tensor in tensors_of(value))


def deciding(func: Any, args: Sequence[Any]) -> list[Tensor]:
    """The tensors whose numbers decide on the size of what an operation gives."""
    if torch.Tag.dynamic_output_shape not in getattr(func, "tags", ()):
        return []
    if func is torch.ops.aten.index.Tensor:
        return [t for t in args[1] if t is not None and t.dtype in (torch.bool, torch.uint8)]
    some = args[1:] if func is torch.ops.aten.masked_select.default else args
    return [tensor for _, tensor in tensors_of(list(some))]


@cache
def is_random(func: Any) -> bool:
    """Whether an operation draws random numbers."""
    return torch.Tag.nondeterministic_seeded in getattr(func, "tags", ())
