"""Names of parts mean the same before and after a boolean, and count no point twice."""

import math

import pytest

from pinn import Box, Disc, Rectangle


def rectangle():
    return Rectangle(x=(0, 4), y=(0, 4))


def picked():
    return rectangle().part("low", x=0, y=(0, 2)).part("high", x=0, y=(1, 4))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Disc(name="interior"), "called 'interior'"),
        (lambda: rectangle() - Disc((1, 1), 0.1, name="boundary"), "called 'boundary'"),
        (lambda: rectangle() - Disc((1, 1), 0.1, name="initial"), "called 'initial'"),
        (lambda: rectangle().named(final="left"), "'final' is taken"),
        (lambda: rectangle() - Disc((1, 1), 0.1, name="left"), "the hole is called 'left'"),
        (
            lambda: rectangle() - Disc((1, 1), 0.1, name="right").translated((1, 1)),
            "the hole is called 'right'",
        ),
        (
            lambda: rectangle().named(walls=("top", "left")) - Disc((1, 1), 0.1, name="walls"),
            "called 'walls'",
        ),
        (
            lambda: rectangle() - Disc((1, 1), 0.1, name="c") - Rectangle((2, 3), (2, 3), name="c"),
            "called 'c'",
        ),
        (lambda: picked().named(both=("low", "left")), "'low' and 'left' have points in common"),
        (lambda: picked().named(both=("low", "high")), "'low' and 'high' have points in common"),
        (lambda: picked().named(both=("boundary", "low")), "have points in common"),
        (lambda: picked().part("some", of=("low", "top")), "'low' was picked itself"),
        (
            lambda: rectangle().named(inlet="left") | Rectangle((4, 6), (0, 8)),
            "'inlet' would get points of both shapes",
        ),
        (
            lambda: rectangle().part("walls", without="left") | Rectangle((4, 6), (0, 8)),
            "'walls' would get points of both shapes",
        ),
        (
            lambda: (
                (rectangle() - Disc((1, 1), 0.2)).part(
                    "c", without=("left", "right", "top", "bottom")
                )
                - Disc((3, 3), 0.3)
            ),
            "'c' would get points of both shapes",
        ),
    ],
)
def test_a_name_that_would_change_its_meaning_is_refused(make, text):
    with pytest.raises(ValueError, match=text) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_names_that_keep_their_meaning_stay():
    right = Rectangle(x=(4, 6), y=(0, 4))  # whose left side ends up inside
    long = rectangle().named(inlet="left") | right
    assert long.measure("inlet") == pytest.approx(4)
    walls = {"walls": ("top", "bottom")}
    assert (rectangle().named(**walls) | right.named(**walls)).measure("walls") == pytest.approx(12)
    domain = rectangle().named(inlet="left", **walls)
    holes = domain - Disc((1, 1), 0.2, name="c") - Disc((3, 3), 0.3, name="c")
    assert holes.measure("c") == pytest.approx(2 * math.pi * 0.5)
    assert holes.named(rest=("inlet", "walls", "c")).measure("rest") == pytest.approx(12 + math.pi)
    apart = rectangle().part("low", x=0, y=(0, 2)).part("high", x=0, y=(2, 4))
    assert apart.named(both=("low", "high", "top")).measure("both") == pytest.approx(8)
    box = Box().named(walls=("top", "left")) - Box((0.4, 0.6), (0.4, 0.6), (0, 0.5))
    assert box.measure("walls") == pytest.approx(2)
