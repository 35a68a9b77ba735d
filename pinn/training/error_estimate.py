"""What is known of the error of a solution, see `estimate`."""

from dataclasses import dataclass, field


@dataclass
class ErrorEstimate:
    """What is known of the error of a solution.

    Args:
        errors: component of an unknown → its relative L2 error; a gauged one up to its constant.
        quantities: quantity → its relative error.
        fall: |r| of the corrected solution by that of the solution.
        is_settled: whether the correction has converged; else the error is at least that.
        seconds: that the estimate took.
        unknowns: of the last correction.
    """

    errors: dict[str, float]
    quantities: dict[str, float] = field(default_factory=dict)
    fall: float = 1.0
    is_settled: bool = False
    seconds: float = 0.0
    unknowns: int = 0

    @property
    def largest(self) -> float:
        """The largest error of an unknown."""
        return max(self.errors.values())

    @property
    def line(self) -> str:
        """`estimated relative error of u 3e-05, v 1e-04 (0.4 s)`."""
        known = self.errors | self.quantities
        least = "" if self.is_settled else "at least "
        told = ", ".join(f"{name} {error:.0e}" for name, error in known.items())
        return f"estimated relative error of {least}{told} ({self.seconds:.1f} s)"
