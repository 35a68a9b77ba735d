"""Sections: what of a grid is drawn."""

import numpy as np
import pytest
import torch

from pinn.assessment.grid_section import Section
from pinn.geometry import Box, Interval, Rectangle


def test_further_coordinates_are_cut_time_last_and_space_in_the_middle():
    at = Box(z=(0.0, 2.0), time=(0.0, 3.0)).grid(7)
    section = Section.of(at, ("x", "y", "z", "t"))
    values = torch.rand(len(at), dtype=torch.float64)
    expected = values.reshape(7, 7, 7, 7)[:, :, 3, 6].T
    assert np.array_equal(section.take(values), expected.numpy())
    assert section.note == "z = 1, t = 3"
    assert section.names == ("x", "y")


def test_one_coordinate_is_a_line():
    at = Interval((0.0, 2.0)).grid(5)
    section = Section.of(at, ("x",))
    assert np.array_equal(section.take(at[:, 0]), section.axes[0])
    assert section.proportion is None


@pytest.mark.parametrize(
    ("geometry", "proportion", "long"),
    [
        (Rectangle(), 1.0, False),
        (Rectangle((0.0, 8.0), (0.0, 2.0)), 4.0, True),
        (Rectangle((0.0, 1.0), (0.0, 4.0)), 0.25, False),
        (Interval((0.0, 8.0), time=(0.0, 1.0)), None, False),
    ],
)
def test_only_space_has_a_proportion(geometry, proportion, long):
    section = Section.of(geometry.grid(3), geometry.coordinates.names)
    assert section.proportion == proportion
    assert section.long is long


def test_points_that_are_no_grid_are_refused():
    at = Rectangle().grid(7)
    with pytest.raises(ValueError, match=r"2 coordinates, names are given for \('x',\)"):
        Section.of(at, ("x",))
    for points in (at.flip(-1), at[:-1], at + torch.rand(49, 2)):
        with pytest.raises(ValueError, match="not a tensor-product grid in row-major order"):
            Section.of(points, ("x", "y"))
