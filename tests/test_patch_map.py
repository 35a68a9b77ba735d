"""The map of patches: each box once, in its place, with its number."""

import numpy as np
import pytest

from pinn.assessment.patch_map import patch_map
from pinn.geometry import Interval, Rectangle

GRID = np.array([[0, 0], [1, 0], [0, 1], [1, 1]], dtype=float)


def boxes(figure):
    """The collection of boxes of a figure, and their extents."""
    (drawn,) = figure.axes[0].collections
    extents = [path.get_extents() for path in drawn.get_paths()]
    return drawn, [(e.x0, e.y0, e.x1, e.y1) for e in extents]


def test_every_patch_is_drawn_in_its_place():
    names = Rectangle((0, 2), (0, 2)).coordinates
    values = np.array([1e-3, 1e-5, 0.0, 1e-4])
    drawn, found = boxes(patch_map(GRID, GRID + 1, values, names, "patches", "left"))
    assert found == [(x, y, x + 1, y + 1) for x, y in GRID]
    assert drawn.get_array().tolist() == [1e-3, 1e-5, 1e-16, 1e-4]


def test_a_section_shows_the_last_instant():
    names = Rectangle((0, 1), (0, 1), time=(0, 2)).coordinates
    lower = np.array([[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    figure = patch_map(lower, lower + 1, np.array([1.0, 2.0]), names, "patches", "left")
    drawn, found = boxes(figure)
    assert found == [(0, 0, 1, 1)]
    assert drawn.get_array().tolist() == [2.0]
    assert "t = 2" in figure.get_suptitle()


def test_one_dimension_is_a_strip():
    lower = np.array([[0.0], [0.5]])
    names = Interval(x=(0, 1)).coordinates
    _, found = boxes(patch_map(lower, lower + 0.5, np.ones(2), names, "patches", "left"))
    assert [extent[::2] for extent in found] == [pytest.approx((0, 0.5)), pytest.approx((0.5, 1))]
