"""A geometry with more regions, as plain data."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from pinn.base.messages import check_name
from pinn.geometry.domains import Geometry

STEPS = ("named", "part", "with_points", "with_ranges", "translated", "rotated", "scaled")


class Derived(Geometry):
    """A geometry after calls of methods such as `named` and `part`, as a configuration has it:

        class_path: Derived
        init_args:
          of: {class_path: Rectangle}
          steps: [{part: {name: inlet, x: 0, y: [0.5, 1]}}, {named: {lid: top}}]

    Args:
        of: the geometry.
        steps: each one call, the method's name → its arguments by name.

    Raises:
        ValueError: a step is no such call, or what the call itself raises.
    """

    def __new__(cls, of: Geometry, steps: Sequence[Mapping[str, Mapping[str, Any]]]) -> Geometry:  # type: ignore[misc]
        """The geometry, which is of the class of `of`."""
        result = of
        for step in steps:
            if not isinstance(step, Mapping) or len(step) != 1:
                raise ValueError(
                    f"a step is {step!r}: give one call, such as {{named: {{lid: top}}}}"
                )
            ((method, arguments),) = step.items()
            check_name(method, STEPS, f"a step calls {method!r}")
            call = getattr(result, method)
            try:
                inspect.signature(call).bind(**arguments)
            except TypeError as error:
                raise ValueError(f"the step {method!r} of {result!r}: {error}") from None
            result = call(**arguments)
        return result

    def __init__(self, of: Geometry, steps: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
        raise TypeError("Derived makes a geometry of another class")  # for its signature alone
