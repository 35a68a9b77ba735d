"""Points, their coordinates as fields, and exact comparison."""

import torch

from pinn.fields.field import Field, coordinate_field
from pinn.geometry.coordinates import Coordinates

N = 5


def at(*names):
    """The coordinates as one field, and their columns as fields."""
    generator = torch.Generator().manual_seed(3)
    x = torch.rand(N, len(names), generator=generator, dtype=torch.float64) + 0.5
    field = coordinate_field(x, Coordinates(names))
    return field, *(field[:, i] for i in range(len(names)))


def vector(*components):
    return torch.stack(components, dim=-1)


def assert_equal(field, exact):
    assert isinstance(field, Field)
    torch.testing.assert_close(field.value, exact, rtol=1e-13, atol=1e-13)


def columns(field):
    return field.value.unbind(-1)
