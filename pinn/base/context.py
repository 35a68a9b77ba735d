"""Values that hold within a `with` block, on this thread and in what it calls."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")


@contextmanager
def setting(variable: ContextVar[T], value: T) -> Iterator[None]:
    """Within it, a context variable has this value; afterwards the one that it had before."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)
