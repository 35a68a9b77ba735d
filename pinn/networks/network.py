"""The base class of all networks."""

from abc import ABC, abstractmethod
from typing import Any

from torch import Tensor

from pinn.base.recipe import Restorable
from pinn.geometry import Geometry


class Network(Restorable, ABC):
    """A map  f: Rᴰ → Rᶜ  from coordinates to the unknowns of a problem.

    A subclass takes its hyperparameters in `__init__`, creates its layers in `create`, and
    computes in `value`. Derivatives are propagated through `value` by a Taylor jet in place of
    the tensor, so that one uses torch functions only: no shapes, no reshaping, no in-place
    operations.
    """

    is_drawn = False  # whether the hidden layers are drawn to stay, and the output layer is trained
    is_local = False  # whether a point sees few of the output layer's parameters
    per_point = 1  # numbers that a point takes, where they are many

    def __init__(self) -> None:
        super().__init__()
        self._built: tuple[Any, ...] | None = None  # the numbers of inputs and outputs, the domain

    def build(self, geometry: Geometry, outputs: int) -> None:
        """Creates the layers, once; a second call with the same sizes does nothing.

        Args:
            geometry: gives the number D of inputs and their ranges.
            outputs: the number C of unknowns.

        Raises:
            ValueError: outputs < 1, or the network was built with other sizes.
        """
        asked = len(geometry.coordinates), outputs, geometry.lower, geometry.upper
        if outputs < 1:
            raise ValueError(f"a network needs at least 1 output, got {outputs}")
        if self._built is None:
            self.create(geometry, outputs)
            self._built = asked
        elif self._built != asked:
            form = "{} inputs and {} outputs, from {} to {}"
            raise ValueError(
                f"{type(self).__name__} was built with {form.format(*self._built)}; it cannot be "
                f"built with {form.format(*asked)}: make a new network"
            )

    @property
    def is_built(self) -> bool:
        """Whether the layers exist."""
        return self._built is not None

    def forward(self, x: Tensor) -> Tensor:
        """f(x): points (..., D) to values (..., C).

        Raises:
            RuntimeError: the network has no layers yet.
        """
        if self._built is None:
            raise RuntimeError(
                f"{type(self).__name__} has no layers yet: call build(geometry, outputs) first"
            )
        return self.value(x)

    @abstractmethod
    def create(self, geometry: Geometry, outputs: int) -> None:
        """Creates the layers for this geometry and number of outputs."""

    @abstractmethod
    def value(self, x: Tensor) -> Tensor:
        """f(x): points (..., D) to values (..., C)."""
