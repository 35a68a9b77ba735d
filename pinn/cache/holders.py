"""Objects of Python's own library that hold values: namespaces, views, memory of C, contexts;
and what evaluations depend on wherever they are made.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from contextvars import ContextVar
from types import MappingProxyType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from pinn.cache.key import Reader

C_DATA = ctypes.c_int.__mro__[2]  # numbers and arrays of ctypes


def read_own(reader: Reader, value: Any) -> None:
    """The attributes of an object that holds nothing else."""
    if reader.is_new(value):
        reader.read_items(vars(value))


def read_bytes(reader: Reader, value: Any) -> None:
    """Memory, as it is."""
    reader.structure.append(bytes(value))


def read_context(reader: Reader, value: ContextVar) -> None:
    """What is set in this context."""
    reader.read(value.get(None))


def read_view(reader: Reader, value: MappingProxyType) -> None:
    """A dict that is seen through."""
    reader.read(dict(value))


def surroundings() -> tuple:
    """What evaluations depend on wherever they are made."""
    return (
        torch.get_default_dtype(),
        torch.get_default_device(),
        torch.is_autocast_enabled("cpu"),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
    )


HOLDERS: tuple[tuple[Any, Callable[[Any, Any], None]], ...] = (
    ((SimpleNamespace, threading.local), read_own),
    ((memoryview, C_DATA), read_bytes),
    (ContextVar, read_context),
    (MappingProxyType, read_view),
)
