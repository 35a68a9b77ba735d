"""The time up to which a problem is solved, where it fails over all of its duration at once."""

from collections.abc import Sequence

from pinn.geometry import Geometry


class Horizon:
    """A duration that grows: what comes later does not change what came before.

    Args:
        geometry: with a time.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.start = geometry.lower[-1]
        self.goal = self.now = geometry.upper[-1] - self.start

    def enter(self, value: float) -> None:
        """Give it another value."""
        self.now = value

    def told(self, value: float) -> str:
        """A value in words."""
        return f"up to t = {self.start + value:.4g}"

    @property
    def until(self) -> float | None:
        """The time at which patches end; None where they fill the domain."""
        return self.start + self.now if self.now < self.goal else None


def can_grow(geometry: Geometry, regions: Sequence[str]) -> bool:
    """Whether a shorter time is a problem of its own: conditions hold at its start, or throughout.

    Args:
        geometry: whose last coordinate is time, if it has one.
        regions: in which residuals are zero.
    """
    if geometry.coordinates.time is None or any(map(geometry.is_measured, regions)):
        return False
    start, end = geometry.lower[-1], geometry.upper[-1]
    times = [part.ranges[-1] for region in regions for part in geometry.regions_of(region)]
    return all(span in ((start, start), (start, end)) for span in times)
