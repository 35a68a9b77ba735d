"""Degrees are raised where something is left to resolve."""

import math
from types import SimpleNamespace

import pytest

from pinn.training.options import Facts


def raised(degrees, needed, more):
    """What `Facts.raised` makes of degrees that resolve the axes."""
    return Facts.raised(SimpleNamespace(degrees=degrees, needed=needed), more)


@pytest.mark.parametrize(
    ("degrees", "needed", "more", "expected"),
    [
        ((8, 8), [math.inf, math.inf], 2, (10, 10)),  # nothing is resolved
        ((12, 12, 12), [20, 20, 5.2], 2, (14, 14, 6)),  # time needs less than it has
        ((12, 12, 6), [20, 13, 9], 3, (15, 13, 9)),
        ((12, 12, 12), [20, 20, 0], 0, (12, 12, 4)),  # with halves, what is too much is left out
        (
            (14, 14, 12),
            [9, 8, 7],
            2,
            (16, 15, 14),
        ),  # the axis that needs most is raised all the same
    ],
)
def test_degrees_follow_what_each_axis_needs(degrees, needed, more, expected):
    assert raised(degrees, needed, more) == expected
