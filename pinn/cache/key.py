"""What the Python of a problem, a network or a function may read, besides the points: the key."""

import ctypes
import threading
import types
import weakref
from array import array
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from enum import Enum
from functools import lru_cache, partial
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
    slots_of,
)
from pinn.cache.module_tree import is_read_as_a_tree
from pinn.cache.reader import Reader, Unread, UnreadableError
from pinn.cache.tensor_contents import checksum, contents, shape_of

Way = Callable[[Reader, Any], Any]


class Reading(NamedTuple):
    """What was read: equal to a later one only where nothing has changed.

    Args:
        structure: types, names, flags, texts, code and shapes.
        numbers: whole and real numbers, and the contents of arrays.
    """

    structure: tuple
    numbers: tuple


def read(*roots: Any, tensors: list[Tensor] | None = None) -> Reading:
    """What can be read through some objects; none of them is kept alive by it.

    Args:
        *roots: the objects.
        tensors: those that are met are appended to it; of equal structures, equally many in the
            same order.

    Raises:
        UnreadableError: one of them cannot be looked into.
    """
    reader = Reader(way_of, (id(r.__code__) for r in roots if isinstance(r, types.FunctionType)))
    for root in roots:
        reader.read(root)
    reader.structure.extend(surroundings())
    if tensors is not None:
        tensors += reader.tensors
    return Reading(tuple(reader.structure), tuple(reader.numbers))


def surroundings() -> tuple:
    """What evaluations depend on wherever they are made."""
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_autocast_enabled("cpu"),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
    )


def read_object(reader: Reader, value: Any) -> None:
    """An object of no type in particular: its class, attributes and slots."""
    if not reader.is_new(value):
        return
    kind = type(value)
    if is_unread(kind.__module__):
        reader.structure.append(id(value))
        return
    read_class(reader, kind)
    slots = [name for c in kind.__mro__ for name in slots_of(c)]
    own = getattr(value, "__dict__", None)
    if own is None and not slots:
        read_reduced(reader, value, kind)
        return
    reader.read_items(own or {})
    for name in slots:
        reader.read_named(name, getattr(value, name, None))


def read_reduced(reader: Reader, value: Any, kind: type) -> None:
    """An object without attributes: what would be written into a pickle."""
    try:
        made, *state = value.__reduce_ex__(4)
        reader.structure.append(id(made))
        reader.read(tuple(list(s) if hasattr(s, "__next__") else s for s in state))
    except UnreadableError:
        raise
    except Exception as error:  # whatever a type says that cannot be copied
        name = f"{kind.__module__}.{kind.__qualname__}"
        raise UnreadableError(f"a {name}, whose changes Python cannot see") from error


def read_module(reader: Reader, module: nn.Module) -> None:
    """A module: its identity, its class, and all attributes except those it declares unread."""
    if not reader.is_new(module) or is_read_as_a_tree(reader, module):
        return
    reader.structure.append(weakref.ref(module))
    read_class(reader, type(module))
    unread = getattr(type(module), "_unread", ())
    for name, value in vars(module).items():
        if name in unread:
            continue
        if type(value) in EMPTY and not value:
            reader.structure.append(name)
        elif name == "_parameters" or name == "_buffers":
            for own, tensor in value.items():
                reader.structure.append(own)
                read_state(reader, tensor)
        else:
            reader.read_named(name, value)


def read_state(reader: Reader, tensor: Tensor | None) -> None:
    """A parameter or buffer: its numbers are an argument of every evaluation."""
    if tensor is None or reader.is_new(tensor):
        reader.structure.append(None if tensor is None else shape_of(tensor))
        if tensor is not None:
            reader.tensors.append(tensor)
        if tensor is not None and tensor.ndim == 0 and not tensor.dtype.is_floating_point:
            reader.numbers.append(contents(tensor))  # such as a flag


def read_tensor(reader: Reader, tensor: Tensor) -> None:
    """A tensor that is neither."""
    if reader.is_new(tensor):
        reader.structure.append(shape_of(tensor))
        reader.tensors.append(tensor)
        if not isinstance(tensor, nn.Parameter):
            reader.numbers.append(contents(tensor))


def read_array(reader: Reader, value: np.ndarray) -> None:
    """A NumPy array."""
    if reader.is_new(value):
        reader.structure.append((value.shape, value.dtype.str))
        if value.dtype.hasobject:
            reader.read(value.tolist())
        else:
            reader.numbers.append(checksum(value))


def read_sequence(reader: Reader, value: Iterable) -> None:
    """A list, tuple, set or deque."""
    if not reader.is_new(value):
        return
    parts = list(value)
    reader.structure.append(len(parts))
    kinds = set(map(type, parts))
    if kinds == {float}:
        reader.numbers.append(array("d", parts).tobytes())
    elif kinds <= {int}:
        reader.numbers.append(tuple(parts))
    else:
        for k, part in enumerate(parts):
            reader.read_named(k, part)


def read_dict(reader: Reader, value: dict) -> None:
    """A dict."""
    if reader.is_new(value):
        reader.read_items(value)


def read_number(reader: Reader, value: complex) -> None:
    """A number: 0.0 and -0.0 are two, NaN is one."""
    reader.numbers.append(value if value and value == value else repr(value))


def leading(to: Callable[[Any], Any]) -> Way:
    """Reads what a value leads to."""
    return lambda reader, value: reader.read(to(value))


C_DATA = ctypes.c_int.__mro__[2]  # numbers and arrays of ctypes

# Objects of the library only lead to other values: a type ↦ what an object of it leads to.
LEADS_TO: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: (value.name, value.value)),
    (types.MethodType, lambda method: (method.__func__, method.__self__)),
    (property, lambda value: value.fget),
    ((staticmethod, classmethod), lambda value: value.__func__),
    (partial, lambda value: (value.func, value.args, value.keywords)),
    (weakref.ref, lambda reference: reference()),
    ((types.SimpleNamespace, threading.local), vars),
    ((memoryview, C_DATA), bytes),
    (ContextVar, lambda variable: variable.get(None)),
    (types.MappingProxyType, dict),
)
EMPTY = {dict, OrderedDict, list, tuple, set}
AS_THEY_ARE = (
    bool, str, bytes, type(None), type(...), range, torch.dtype, torch.device, torch.Size,
    types.MemberDescriptorType, types.GetSetDescriptorType, types.WrapperDescriptorType,
    types.MethodDescriptorType, types.ClassMethodDescriptorType,
)  # fmt: skip
# The first that fits a type counts.
WAYS: tuple[tuple[Any, Way], ...] = (
    (AS_THEY_ARE, lambda reader, value: reader.structure.append(value)),
    (nn.Module, read_module),
    (Tensor, read_tensor),
    (Unread, lambda reader, value: None),
    *((kind, leading(to)) for kind, to in LEADS_TO),
    (np.ndarray, read_array),
    (np.generic, lambda reader, value: reader.numbers.append(value.tobytes())),
    (dict, read_dict),
    ((list, tuple, set, frozenset, deque), read_sequence),
    ((int, float, complex), read_number),
    (type, read_class),
    (types.FunctionType, read_function),
    (types.BuiltinFunctionType, read_builtin),
    (types.ModuleType, read_imported),
    (object, read_object),
)


@lru_cache(4096)
def way_of(kind: type) -> Way:
    """How values of a type are read."""
    return next(way for base, way in WAYS if issubclass(kind, base))
