"""What a problem holds besides numbers: tables, and networks such as a coefficient k(x).

A network is called with fields. Inside it a field is a jet, whose axes mean what they mean in
torch; what comes out is a field again. A scalar field (N,) goes in as one column, and one column
comes out as a scalar.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from pinn.algebra.jet import Jet
from pinn.base.kept_digits import KeepsDigits
from pinn.fields.field import Field
from pinn.geometry import Geometry
from pinn.geometry.coordinates import Coordinates
from pinn.networks import Network
from pinn.physics.declaration import check_attribute

T = TypeVar("T")


class Lent(Jet):
    """A field on its way into the outermost of some modules."""

    __slots__ = ("is_scalar",)
    is_scalar: bool

    def like(self, value: Any, streams: Any) -> Any:
        """A jet, for what is computed inside."""
        return Jet(value, streams, lead=1)


def take_fields(problem: nn.Module, geometry: Geometry) -> None:
    """Let every module of a problem take and give fields; doing it again changes nothing.

    A network without layers yet gets those of one value.
    """
    coordinates = geometry.coordinates
    for module in list(problem.modules()):
        if isinstance(module, Network) and not module.is_built:
            module.build(geometry, 1)
    for module in problem.modules():
        if module is not problem and not getattr(module, "_takes_fields", False):
            module._takes_fields = True  # type: ignore[assignment]
            module.register_forward_pre_hook(lend)
            module.register_forward_hook(partial(give_back, coordinates))


def lend(module: nn.Module, arguments: tuple) -> tuple:
    """Fields as jets on the way in; a module inside another one gets them as they are."""
    return tuple(lent(a) if isinstance(a, Field | Lent) else a for a in arguments)


def lent(field: Jet) -> Jet:
    """A field as a jet of columns; one that was lent already as a plain jet."""
    if isinstance(field, Lent):
        return Jet(field.value, field.streams, lead=1)
    columns: Any = torch.stack([field], -1) if field.ndim == 1 else field  # type: ignore
    columns_lent = Lent(columns.value, columns.streams, lead=1)
    columns_lent.is_scalar = field.ndim == 1
    return columns_lent


def give_back(coordinates: Coordinates, module: nn.Module, arguments: tuple, result: Any) -> Any:
    """The result as a field, where a field came in."""
    came = [a for a in arguments if isinstance(a, Lent)]
    if not came or not isinstance(result, Jet):
        return result
    field = Field(result.value, result.streams, coordinates, type(module).__name__)
    scalar = all(a.is_scalar for a in came) and tuple(field.shape[1:]) == (1,)
    return field[:, 0] if scalar else field


class Holder(KeepsDigits):
    """A module whose tensors are buffers, and which can be seen in float64."""

    def __setattr__(self, name: str, value: Any) -> None:
        """A tensor becomes a buffer, so that it follows device and precision.

        Raises:
            TypeError: the attribute would be lost, or never be trained.
        """
        check_attribute(self, name, value)
        if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
            held = vars(self) | dict(self.named_buffers(recurse=False, remove_duplicate=False))
            if name not in held and name[0] != "_" and value.grad_fn is None:
                self.register_buffer(name, value, persistent=False)
                return
        super().__setattr__(name, value)

    def forward(self, run: Callable[[], T]) -> T:
        """The result of a function that reads this module."""
        return run()

    def in_double(self, run: Callable[[], T]) -> T:
        """The result of a function while parameters and buffers are in float64.

        Dry runs and exact solutions are evaluated in float64, whatever the precision of a phase.
        They see copies: a running mean that residuals write to knows nothing of a dry run.
        """
        state: dict[str, Tensor] = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        for name, buffer in self.named_buffers(recurse=False, remove_duplicate=False):
            if (given := self._given_digits(name)) is not None:
                state[name] = given.to(buffer.device)
        doubled = {
            name: tensor.detach()
            .to(torch.float64 if tensor.is_floating_point() else tensor.dtype, copy=True)
            .requires_grad_(tensor.requires_grad)
            for name, tensor in state.items()
        }
        return torch.func.functional_call(self, doubled, (run,))
