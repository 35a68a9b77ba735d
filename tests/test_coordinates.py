"""Coordinates: space and time, and the names they refuse."""

import pytest

from pinn.geometry.coordinates import Coordinates


def test_coordinates_separate_space_from_time():
    unsteady, steady = Coordinates(("x", "y", "t")), Coordinates(("x", "y"))
    assert (unsteady.space, unsteady.time, len(unsteady)) == ((0, 1), 2, 3)
    assert (steady.space, steady.time, len(steady)) == ((0, 1), None, 2)
    assert unsteady.index("y") == 1
    assert Coordinates(["x"]) == Coordinates(("x",))


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (("t", "x"), "time 't' must come last"),
        (("x", "x"), "repeat"),
        (("x", "2y"), "'2y' is not an identifier"),
        (("x", 3), "3 is not an identifier"),
        ((), "at least one name"),
        ("xy", "the text 'xy'"),
    ],
)
def test_coordinates_refuse_bad_names(names, text):
    with pytest.raises(ValueError, match=text):
        Coordinates(names)


def test_an_unknown_coordinate_suggests_the_nearest():
    with pytest.raises(ValueError, match="unknown coordinate 'theta1': did you mean 'theta'"):
        Coordinates(("r", "theta")).index("theta1")
