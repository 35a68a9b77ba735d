"""The base class of all networks."""

from abc import ABC, abstractmethod

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

    def __init__(self) -> None:
        super().__init__()
        self._sizes: tuple[int, int] | None = None
        self._domain: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def build(self, geometry: Geometry, outputs: int) -> None:
        """Creates the layers, once; a second call with the same sizes does nothing.

        Args:
            geometry: gives the number D of inputs and their ranges.
            outputs: the number C of unknowns.

        Raises:
            ValueError: outputs < 1, or the network was built with other sizes.
        """
        sizes = (len(geometry.coordinates), outputs)
        domain = (geometry.lower, geometry.upper)
        if outputs < 1:
            raise ValueError(f"a network needs at least 1 output, got {outputs}")
        if self._sizes is None:
            self.create(geometry, outputs)
            self._sizes, self._domain = sizes, domain
        elif self._sizes != sizes:
            raise ValueError(
                f"{type(self).__name__} was built with {self._sizes[0]} inputs and "
                f"{self._sizes[1]} outputs, cannot build it with {sizes[0]} and {sizes[1]}: "
                "make a new network"
            )
        elif self._domain != domain:
            raise ValueError(
                f"{type(self).__name__} was built for the domain {self._domain}, cannot serve "
                f"{domain}: make a new network"
            )

    @property
    def is_built(self) -> bool:
        """Whether the layers exist."""
        return self._sizes is not None

    def forward(self, x: Tensor) -> Tensor:
        """f(x): points (..., D) to values (..., C).

        Raises:
            RuntimeError: the network has no layers yet.
        """
        if self._sizes is None:
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
