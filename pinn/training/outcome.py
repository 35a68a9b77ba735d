"""What a round of refinement has come to, and how the next one differs."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from pinn.networks.layout import Cut

FULL = "no finer patches fit into the memory"
Degree = int | Sequence[int]  # of all axes, as it was at first, or of each


def in_words(degree: Degree) -> str:
    """`degree 8`, or `degrees 8, 8, 4` along the axes."""
    if isinstance(degree, int) or len(set(degree)) == 1:
        return f"degree {degree if isinstance(degree, int) else degree[0]}"
    return f"degrees {', '.join(map(str, degree))}"


@dataclass
class Outcome:
    """What a round has come to.

    Args:
        number: of the round, from 1.
        patches: how many.
        degree: of their polynomials, along each axis.
        unknowns: how many coefficients.
        points: how many of the interior.
        loss: at the training points.
        held_out: at other points.
        errors: unknown → estimated relative L2 error; none after the first round.
        decision: what follows, in words.
    """

    number: int
    patches: int
    degree: Degree
    unknowns: int
    points: int
    loss: float
    held_out: float
    errors: dict[str, float] = field(default_factory=dict)
    decision: str = ""

    @property
    def line(self) -> str:
        """Of the round, for people: `round 3   4 patches of degree 8: error of u 9e-6, v 3e-5`."""
        label = f"round {self.number}"
        known = ", ".join(f"{name} {error:.0e}" for name, error in self.errors.items())
        told = f"estimated error of {known}" if known else "no error is known yet"
        patches = f"{self.patches} patch{'es' if self.patches != 1 else ''}"
        what = f"{patches} of {in_words(self.degree)}, {self.unknowns} unknowns"
        then = f"; {self.decision}" if self.decision else ""
        return f"{label:<9} {what}: {told}{then}"


@dataclass
class Plan:
    """How the next round differs.

    Args:
        cuts: further cuts of patches.
        degree: of the polynomials, along each axis.
        density: of points.
        value: of the coefficient that is continued in, where it changes.
        fresh: whether the round begins with few patches and zeros.
    """

    cuts: list[Cut]
    degree: Degree
    density: float
    value: float | None = None
    fresh: bool = False
