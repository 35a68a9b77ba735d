"""The error of Taylor arithmetic that has no rule for something."""


class NoRuleError(TypeError):
    """A torch function or attribute that Taylor arithmetic has no rule for."""


class PointsError(NoRuleError):
    """A function that would take in the points.

    Args:
        name: the function.
        why: along which axes.
    """

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"{name} {why} has no derivative rule")
        self.name = name
