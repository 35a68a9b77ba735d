"""Objects of Python's own library that only lead to other values: methods, views, namespaces."""

import ctypes
import threading
import weakref
from collections.abc import Callable
from contextvars import ContextVar
from enum import Enum
from functools import partial
from types import MappingProxyType, MethodType, SimpleNamespace
from typing import Any

C_DATA = ctypes.c_int.__mro__[2]  # numbers and arrays of ctypes

# A type ↦ what an object of it leads to.
LEADS_TO: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (Enum, lambda value: (value.name, value.value)),
    (MethodType, lambda method: (method.__func__, method.__self__)),
    (property, lambda value: value.fget),
    ((staticmethod, classmethod), lambda value: value.__func__),
    (partial, lambda value: (value.func, value.args, value.keywords)),
    (weakref.ref, lambda reference: reference()),
    ((SimpleNamespace, threading.local), vars),
    ((memoryview, C_DATA), bytes),
    (ContextVar, lambda variable: variable.get(None)),
    (MappingProxyType, dict),
)
