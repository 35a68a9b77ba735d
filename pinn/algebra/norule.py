"""The error of Taylor arithmetic that has no rule for something."""


class NoRuleError(TypeError):
    """A torch function or attribute that Taylor arithmetic has no rule for."""
