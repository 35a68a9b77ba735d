"""Derivatives that are computed when somebody reads them.

A source term of hundreds of products has derivatives that no equation asks for. What is made of
coordinates keeps what it was made of, and works its derivatives out on demand.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor

from pinn.algebra.channels import Channel
from pinn.base.context import setting

Streams = Mapping[Channel, Tensor | None]
AT_ONCE: ContextVar[bool] = ContextVar("AT_ONCE", default=False)


def at_once() -> AbstractContextManager[None]:
    """Within it derivatives are computed where they arise, so that a mistake has its own line."""
    return setting(AT_ONCE, True)


class Later:
    """The derivatives of a series, not computed yet.

    Args:
        make: computes them, once those of the operands are there.
        operands: what they follow from; those that are computed already do not matter.
    """

    __slots__ = ("found", "grad", "make", "operands")

    def __init__(self, make: Callable[[], Streams], *operands: Any) -> None:
        self.make: Callable[[], Streams] | None = make
        self.operands = tuple(o for o in operands if isinstance(o, Later))
        self.grad = torch.is_grad_enabled()
        self.found: Streams | None = None
        if AT_ONCE.get():
            self.now()

    def now(self) -> Streams:
        """The derivatives; those of operands first, without a call inside a call for each."""
        waiting = [self]
        while waiting:
            last = waiting[-1]
            missing = [o for o in last.operands if o.found is None]
            if last.make is None or not missing:
                waiting.pop()
                last.compute()
            else:
                waiting += missing
        assert self.found is not None
        return self.found

    def compute(self) -> None:
        """Once."""
        if self.make is not None:
            with torch.set_grad_enabled(self.grad):
                self.found = self.make()
            self.make, self.operands = None, ()
