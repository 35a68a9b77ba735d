"""The derivative rule of every torch function that has one: of jets, and of fields."""

from collections.abc import Callable

from pinn.algebra.rules.arithmetic import ARITHMETIC
from pinn.algebra.rules.attention import ATTENTION
from pinn.algebra.rules.copies import WHOLE
from pinn.algebra.rules.distance import DISTANCE
from pinn.algebra.rules.elementwise import BLEND
from pinn.algebra.rules.join import JOIN
from pinn.algebra.rules.kinks import KINKS
from pinn.algebra.rules.linear import LINEAR
from pinn.algebra.rules.linear_algebra import PER_POINT
from pinn.algebra.rules.matrices import MATRICES
from pinn.algebra.rules.normalise import NORMALISE
from pinn.algebra.rules.piecewise import PIECEWISE
from pinn.algebra.rules.pointwise import POINTWISE
from pinn.algebra.rules.products import PRODUCTS
from pinn.algebra.rules.reduce import REDUCE
from pinn.algebra.rules.selection import PARTS
from pinn.algebra.rules.shape import SHAPE

RULES: dict[Callable, Callable] = {}
for table in (
    ARITHMETIC, POINTWISE, KINKS, LINEAR, PRODUCTS, SHAPE, PARTS, JOIN, BLEND, DISTANCE, REDUCE,
    NORMALISE, ATTENTION, WHOLE,
):  # fmt: skip
    RULES.update(table)
# What they mean on a field, at each point.
FIELD_RULES: dict[Callable, Callable] = {**RULES, **PIECEWISE, **PER_POINT, **MATRICES}
