"""The coefficient that a problem may be continued in."""

from pinn.physics.problem import Problem


class Coefficient:
    """A positive number that the equations depend on, such as the Reynolds number.

    Args:
        problem: which names it, and has it as an attribute.
    """

    def __init__(self, problem: Problem) -> None:
        assert problem.continuation is not None
        self.problem, self.name = problem, problem.continuation
        self.goal = self.now

    @property
    def now(self) -> float:
        """Its present value."""
        return float(getattr(self.problem, self.name))

    def enter(self, value: float) -> None:
        """Give it another value."""
        setattr(self.problem, self.name, value)

    def told(self, value: float) -> str:
        """A value in words."""
        return f"{self.name} {value:.4g}"
