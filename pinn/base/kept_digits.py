"""Buffers that keep the digits they were given, through phases of lower precision."""

from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor

from pinn.base.recipe import Restorable


class KeepsDigits(Restorable):
    """A module whose buffers are cast from the digits that they were given, not from the last cast.

    A table or a period that a phase in float32 had rounded for good would leave a jump of 1e-8
    that a second-order optimiser can see.
    """

    _unread = ("_digits",)  # recorded graphs do not depend on it

    def _given_digits(self, name: str) -> Tensor | None:
        """The digits that a buffer was given; None where it holds others, as after a checkpoint."""
        held, origin = self._buffers.get(name), self.__dict__.get("_digits", {}).get(name)
        if held is None or origin is None or held.shape != origin.shape:
            return None
        same = torch.allclose(held, origin.to(held), rtol=0, atol=0, equal_nan=True)
        return origin if same else None

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        origins: dict[str, Tensor] = {}
        for name, held in self._buffers.items():
            if held is not None and held.is_floating_point():
                origin = self._given_digits(name)
                origins[name] = held if origin is None else origin
        super()._apply(fn, recurse)
        for name, origin in origins.items():
            # A copy, or loading a checkpoint would write into the digits.
            self._buffers[name] = origin.to(self._buffers[name], copy=True)
        self.__dict__["_digits"] = origins
        return self
