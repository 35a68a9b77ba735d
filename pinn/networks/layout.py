"""Layouts: a box cut into patches, and smooth windows whose sum is 1.

A cut divides one patch by a plane  xₐ = s  into two. A window is a product of smooth steps, one per
face of its patch:

    w = Πₐ step((xₐ − lowerₐ)/hₐ) step((upperₐ − xₐ)/hₐ'),   step(t) + step(−t) = 1

Each pair of windows at a cut shares what the patch had before it, so the sum stays 1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pinn.base.messages import echo
from pinn.geometry.pieces import Box

NEAR = 1e-9  # of the length of an axis: a point counts as one of a side
OVERLAP = 1 / 3  # width of the strip about a cut, in widths of the thinnest patch beside it
Cut = tuple[int, int, float]  # the patch, the axis, the position


@dataclass(frozen=True)
class Boxes:
    """The patches: their boxes, and how far windows reach across the faces.

    Args:
        lower: (n, D).
        upper: (n, D).
        below: (n, D) the width of the strip about the lower face, 0 where the domain ends.
        above: (n, D) the same of the upper face.
    """

    lower: Tensor
    upper: Tensor
    below: Tensor
    above: Tensor

    @property
    def support(self) -> tuple[Tensor, Tensor]:
        """The boxes (n, D) outside of which windows vanish."""
        return self.lower - self.below / 2, self.upper + self.above / 2


class Layout:
    """Patches of a box, as the cuts that made them.

    Args:
        lower: of the box, one number per axis.
        upper: of the box.
        cuts: one after the other; the part below the cut keeps the number of the patch, the part
            above is the next number.

    Raises:
        ValueError: a cut does not pass through its patch.
    """

    def __init__(
        self, lower: Sequence[float], upper: Sequence[float], cuts: Sequence[Cut] = ()
    ) -> None:
        self.lower, self.upper = tuple(lower), tuple(upper)
        self.cuts: list[Cut] = []
        self.sides = [[list(lower), list(upper)]]  # of every patch
        self.faces: list[dict[tuple[int, int], int]] = [{}]  # (axis, side) → the cut that made it
        for cut in cuts:
            self.cut(*cut)

    def __len__(self) -> int:
        return len(self.sides)

    def cut(self, patch: int, axis: int, position: float) -> int:
        """Cut a patch in two, and return the number of the new one."""
        if not 0 <= patch < len(self) or not 0 <= axis < len(self.lower):
            raise ValueError(f"cut {echo([patch, axis, position])}: there is no such patch or axis")
        low, high = self.sides[patch][0][axis], self.sides[patch][1][axis]
        if not low < position < high:
            raise ValueError(
                f"cut {echo([patch, axis, position])}: patch {patch} reaches from {low:g} to "
                f"{high:g}: cut between them"
            )
        number = len(self.cuts)
        self.cuts.append((patch, axis, float(position)))
        self.sides.append([list(side) for side in self.sides[patch]])
        self.faces.append(dict(self.faces[patch]))
        self.sides[patch][1][axis] = self.sides[-1][0][axis] = float(position)
        self.faces[patch][axis, 1] = self.faces[-1][axis, 0] = number
        return len(self) - 1

    def halve(self, patch: int, axis: int) -> int:
        """Cut a patch in the middle."""
        low, high = self.sides[patch][0][axis], self.sides[patch][1][axis]
        return self.cut(patch, axis, (low + high) / 2)

    def holds(self, patch: int, at: Sequence[float]) -> bool:
        """Whether a point, or one with these first coordinates, lies in a patch or on its side."""
        ends = zip(*self.sides[patch], self.lower, self.upper, at, strict=False)
        return all(a - NEAR * (v - u) <= x <= b + NEAR * (v - u) for a, b, u, v, x in ends)

    def widths(self) -> list[float]:
        """The width of the strip about every cut."""
        least = [float("inf")] * len(self.cuts)
        for (lower, upper), faces in zip(self.sides, self.faces, strict=True):
            for (axis, _), number in faces.items():
                least[number] = min(least[number], upper[axis] - lower[axis])
        return [OVERLAP * width for width in least]

    def boxes(self) -> Boxes:
        """The patches as tensors."""
        lower, upper = (
            torch.tensor([sides[k] for sides in self.sides], dtype=torch.float64) for k in (0, 1)
        )
        strips = [torch.zeros_like(lower), torch.zeros_like(lower)]
        widths = self.widths()
        for patch, faces in enumerate(self.faces):
            for (axis, side), number in faces.items():
                strips[side][patch, axis] = widths[number]
        return Boxes(lower, upper, *strips)

    def with_strips(self) -> list[Box]:
        """The patches, each with what of the strips about its cuts lies within it."""
        boxes = self.boxes()
        strips = (boxes.below / 2).tolist(), (boxes.above / 2).tolist()
        return [Box(*sides, *own) for sides, *own in zip(self.sides, *strips, strict=True)]

    def most_seen(self) -> int:
        """How many windows a point can be in at most."""
        axes = len({axis for _, axis, _ in self.cuts})
        return min(len(self), 2**axes)


def extended(layout: Layout, axis: int, upper: float) -> Layout:
    """A layout that reaches farther along an axis: beyond its end each patch there goes on.

    Patch 0 is still the first one, and the number of each other one grows by 1.
    """
    ends = (*layout.upper[:axis], upper, *layout.upper[axis + 1 :])
    finer = Layout(layout.lower, ends, [(0, axis, layout.upper[axis])])
    behind, cuts = {0: 1}, list[Cut]()  # patch at the former end → the one behind it; their cuts
    for number, (patch, along, position) in enumerate(layout.cuts, start=1):
        finer.cut(patch + (patch > 0), along, position)
        if patch not in behind:
            continue
        if along == axis:
            behind[number] = behind.pop(patch)
        else:
            cuts.append((behind[patch], along, position))
            behind[number] = len(layout) + len(cuts)
    for cut in cuts:
        finer.cut(*cut)
    return finer


def grid_cuts(axes: Mapping[int, Sequence[float]], dimensions: int) -> list[Cut]:
    """The cuts of a grid: axis → positions inside, increasing."""
    cuts: list[Cut] = []
    patches = [0]
    for axis in range(dimensions):
        count = len(patches)
        for first in patches[:count]:
            last = first
            for position in axes.get(axis, ()):
                cuts.append((last, axis, position))
                last = len(cuts)
                patches.append(last)
    return cuts


def even(low: float, high: float, count: int) -> list[float]:
    """The positions inside that divide an interval evenly."""
    return [low + (high - low) * k / count for k in range(1, count)]


def step(t: Tensor) -> Tensor:
    """From 0 at t = −½ to 1 at t = ½, four times continuously differentiable."""
    t = (2 * t).clamp(-1.0, 1.0)
    s = t * t
    return 0.5 + t * (315 - s * (420 - s * (378 - s * (180 - s * 35)))) / 256


def step_slopes(t: Tensor, highest: int) -> Tensor:
    """∂ᵐ step (highest + 1, ...) for m = 0 … highest, at most 4.

    ∂ step = 315/128 (1 − z²)⁴,   z = 2t, between −1 and 1
    """
    z = (2 * t).clamp(-1.0, 1.0)
    square = z * z
    q = 1 - square
    made = [step(t), 315 / 128 * q**4]
    if highest > 1:
        made.append(-315 / 8 * z * q**3)
    if highest > 2:
        made.append(315 / 4 * (7 * square - 1) * q**2)
    if highest > 3:
        made.append(945 * z * (3 - 7 * square) * q)
    return torch.stack(made[: highest + 1])
