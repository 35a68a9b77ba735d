"""What the Python of a problem, a network or a function may read, besides the points."""

import weakref
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from enum import Enum
from functools import partial
from types import (
    BuiltinFunctionType,
    ClassMethodDescriptorType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from pinn.cache.code import (
    is_unread,
    read_builtin,
    read_class,
    read_function,
    read_imported,
    read_method,
    read_partial,
    read_property,
    read_wrapped,
    slots_of,
)
from pinn.cache.contents import checksum, contents, shape_of
from pinn.cache.holders import HOLDERS, surroundings

MOST = 100_000  # values looked at; what is larger belongs into an array


class UnreadableError(ValueError):
    """Python cannot tell whether an object changes.

    Args:
        what: the object, in words.
    """

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.path: list[str] = []

    def __str__(self) -> str:
        where = ".".join(reversed(self.path))
        return f"{where} is {self.args[0]}" if where else str(self.args[0])


class Reading(NamedTuple):
    """What was read: equal to a later one only where nothing has changed.

    Args:
        structure: types, names, flags, texts, code and shapes.
        numbers: whole and real numbers, and the contents of arrays.
    """

    structure: tuple
    numbers: tuple


def read(*roots: Any) -> Reading:
    """What can be read through some objects; none of them is kept alive by it.

    Raises:
        UnreadableError: one of them cannot be looked into.
    """
    reader = Reader()
    reader.roots = {id(root.__code__) for root in roots if isinstance(root, FunctionType)}
    for root in roots:
        reader.read(root)
    reader.structure.extend(surroundings())
    return Reading(tuple(reader.structure), tuple(reader.numbers))


class Unread:
    """A memory of values that follow from what is read otherwise: a reading passes it by."""


class Reader:
    """Walks through objects, each once, and writes down what it finds."""

    def __init__(self) -> None:
        self.structure: list[Any] = []
        self.numbers: list[Any] = []
        self.seen: dict[int, int] = {}
        self.alive: list[Any] = []  # ids are those of living objects
        self.roots: set[int] = set()  # code that is known by whoever remembers
        self.named: set[tuple[int, int]] = set()  # modules, and the code that names them

    def read(self, value: Any) -> None:
        """Write down one value."""
        kind = type(value)
        self.structure.append(kind)
        reader = READERS.get(kind)
        if reader is not None:
            reader(self, value)
        elif kind in AS_THEY_ARE:
            self.structure.append(value)
        else:
            reader = next((r for base, r in BASES if isinstance(value, base)), Reader.read_object)
            reader(self, value)

    def read_object(self, value: Any) -> None:
        """Write down an object of no type in particular."""
        if not self.is_new(value):
            return
        kind = type(value)
        if is_unread(kind.__module__):
            self.structure.append(id(value))
            return
        read_class(self, kind)
        slots = [name for c in kind.__mro__ for name in slots_of(c)]
        own = getattr(value, "__dict__", None)
        if own is None and not slots:
            self.read_reduced(value, kind)
            return
        self.read_items(own or {})
        for name in slots:
            self.read_named(name, getattr(value, name, None))

    def is_new(self, value: Any) -> bool:
        """Whether an object is met for the first time; else which one it is, is written down."""
        number = self.seen.get(id(value))
        if number is not None:
            self.structure.append(number)
            return False
        self.seen[id(value)] = len(self.seen)
        self.alive.append(value)
        if len(self.structure) + len(self.numbers) > MOST:
            raise UnreadableError(f"more than {MOST:,} values: hold numbers in an array")
        return True

    def read_named(self, name: Any, value: Any) -> None:
        """A value under its name."""
        self.structure.append(name)
        try:
            self.read(value)
        except UnreadableError as error:
            error.path.append(str(name))
            raise

    def read_items(self, items: dict) -> None:
        """The attributes of an object, or the entries of a dict."""
        self.structure.append(len(items))
        for name, value in items.items():
            if type(name) is str:
                self.read_named(name, value)
            else:
                self.read(name)
                self.read_named(name if isinstance(name, int | float) else type(name), value)

    def read_module(self, module: nn.Module) -> None:
        """A module: which one, its class, and every attribute but what it declares unread."""
        if not self.is_new(module):
            return
        self.structure.append(weakref.ref(module))
        read_class(self, type(module))
        unread = getattr(type(module), "_unread", ())
        for name, value in ((n, v) for n, v in vars(module).items() if n not in unread):
            if value.__class__ in EMPTY and not value:
                self.structure.append(name)
            elif name == "_parameters" or name == "_buffers":
                for own, tensor in value.items():
                    self.structure.append(own)
                    self.read_state(tensor)
            else:
                self.read_named(name, value)

    def read_state(self, tensor: Tensor | None) -> None:
        """A parameter or buffer: whoever evaluates is given its numbers."""
        if tensor is None or self.is_new(tensor):
            self.structure.append(None if tensor is None else shape_of(tensor))
            if tensor is not None and tensor.ndim == 0 and not tensor.dtype.is_floating_point:
                self.numbers.append(contents(tensor))  # such as a flag

    def read_tensor(self, tensor: Tensor) -> None:
        """A tensor that is neither."""
        if self.is_new(tensor):
            self.structure.append(shape_of(tensor))
            if not isinstance(tensor, nn.Parameter):
                self.numbers.append(contents(tensor))

    def read_array(self, value: np.ndarray) -> None:
        """A NumPy array."""
        if self.is_new(value):
            self.structure.append((value.shape, value.dtype.str))
            if value.dtype.hasobject:
                self.read(value.tolist())
            else:
                self.numbers.append(checksum(value))

    def read_sequence(self, value: Iterable) -> None:
        """A list, tuple, set or deque."""
        if not self.is_new(value):
            return
        parts = list(value)
        self.structure.append(len(parts))
        kinds = set(map(type, parts))
        if kinds == {float}:
            self.numbers.append(array("d", parts).tobytes())
        elif kinds <= {int}:
            self.numbers.append(tuple(parts))
        else:
            for k, part in enumerate(parts):
                self.read_named(k, part)

    def read_dict(self, value: dict) -> None:
        """A dict."""
        if self.is_new(value):
            self.read_items(value)

    def read_reduced(self, value: Any, kind: type) -> None:
        """An object without attributes: what would be written into a pickle."""
        try:
            made, *state = value.__reduce_ex__(4)
            self.structure.append(id(made))
            self.read(tuple(list(s) if hasattr(s, "__next__") else s for s in state))
        except UnreadableError:
            raise
        except Exception as error:  # whatever a type says that cannot be copied
            name = f"{kind.__module__}.{kind.__qualname__}"
            raise UnreadableError(f"a {name}, whose changes Python cannot see") from error


def read_number(reader: Reader, value: complex) -> None:
    """A number: 0.0 and -0.0 are two, NaN is one."""
    reader.numbers.append(value if value and value == value else repr(value))


AS_THEY_ARE = {
    bool,
    str,
    bytes,
    type(None),
    type(...),
    range,
    torch.dtype,
    torch.device,
    torch.Size,
    MemberDescriptorType,
    GetSetDescriptorType,
    WrapperDescriptorType,
    MethodDescriptorType,
    ClassMethodDescriptorType,
}
EMPTY = {dict, OrderedDict, list, tuple, set}
BASES: tuple[tuple[Any, Callable[[Reader, Any], None]], ...] = (
    (nn.Module, Reader.read_module),
    (Tensor, Reader.read_tensor),
    (Unread, lambda reader, value: None),
    (Enum, lambda reader, value: reader.read((value.name, value.value))),
    (np.ndarray, Reader.read_array),
    (np.generic, lambda reader, value: reader.numbers.append(value.tobytes())),
    (dict, Reader.read_dict),
    ((list, tuple, set, frozenset, deque), Reader.read_sequence),
    ((int, float, complex), read_number),
    ((str, bytes), lambda reader, value: reader.structure.append(value)),
    (type, read_class),
    (FunctionType, read_function),
    (MethodType, read_method),
    (BuiltinFunctionType, read_builtin),
    (property, read_property),
    ((staticmethod, classmethod), read_wrapped),
    (partial, read_partial),
    (ModuleType, read_imported),
    (weakref.ref, lambda reader, value: reader.read(value())),
    *HOLDERS,
)
# Met most often.
READERS: dict[type, Callable[[Reader, Any], None]] = {
    int: read_number,
    float: read_number,
    complex: read_number,
    list: Reader.read_sequence,
    tuple: Reader.read_sequence,
    set: Reader.read_sequence,
    frozenset: Reader.read_sequence,
    dict: Reader.read_dict,
    OrderedDict: Reader.read_dict,
    FunctionType: read_function,
    type: read_class,
    Tensor: Reader.read_tensor,
    nn.Parameter: Reader.read_tensor,
    np.ndarray: Reader.read_array,
}
