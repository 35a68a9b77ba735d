"""`continuation`: the coefficient that a solution may be continued in, checked."""

import pytest
import torch

from pinn import MLP, Problem, Rectangle, laplacian, on
from pinn.problems import BackwardStep, Kovasznay, KovasznayViscosity, NaturalConvection, Poisson
from pinn.solution.solution import Solution


class Heat(Problem):
    coordinates, unknowns, geometry = ("x", "y"), {"T": 1}, Rectangle()

    @on("interior")
    def conduction(self, T):
        return laplacian(T)


def test_flows_are_continued_in_their_coefficient():
    assert Kovasznay.continuation == BackwardStep.continuation == "reynolds"
    assert NaturalConvection.continuation == "rayleigh"
    assert Poisson.continuation is None
    assert KovasznayViscosity.continuation is None


def test_a_subclass_without_the_argument_has_no_continuation():
    class Fixed(Kovasznay):
        def __init__(self):
            super().__init__(40.0)

    class PassedOn(Kovasznay):
        def __init__(self, **given):
            super().__init__(**given)

    assert Fixed.continuation is None
    assert PassedOn.continuation == "reynolds"


def test_what_is_no_argument_is_refused():
    with pytest.raises(TypeError, match=r"Hot.continuation is 'peclet': name an argument"):

        class Hot(Heat):
            continuation = "peclet"

            def __init__(self, pecle: float = 1.0):
                super().__init__()
                self.peclet = pecle


@pytest.mark.parametrize("value", [-1.0, 0.0, "high", None])
def test_what_is_no_positive_number_is_refused(value):
    class Hot(Heat):
        continuation = "peclet"

        def __init__(self, peclet=1.0):
            super().__init__()
            self.peclet = peclet

    Solution(Hot(2.0), MLP(4, 1))
    with pytest.raises(TypeError, match=r"self.peclet of Hot is .*, but continuation names it"):
        Solution(Hot(value), MLP(4, 1))


def test_a_range_is_no_coefficient_to_be_continued_in():
    problem = Kovasznay(None, ranges={"reynolds": (20.0, 80.0)})
    points = torch.tensor([[0.0, 0.0, 40.0]], dtype=torch.float64)
    assert Solution(problem, MLP(4, 1)).double()(points)["u"].shape == (1, 2)
