"""How θ is cut into blocks: the coefficients of one patch each, and those of the problem."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from torch import nn

from pinn.networks.patches import Patches


class ParameterBlocks(NamedTuple):
    """The blocks of θ.

    Args:
        sizes: their lengths, in order.
        first: network → the block of its first patch.
        borders: the blocks that every point sees.
        others: the parameters that these hold, such as coefficients of the problem.
    """

    sizes: tuple[int, ...]
    first: dict[str, int]
    borders: list[int]
    others: list[nn.Parameter]

    @classmethod
    def of(cls, parameters: Sequence[nn.Parameter], networks: Mapping[str, Patches]) -> Self:
        """Those of parameters in order."""
        owners = {id(network.output.weight): name for name, network in networks.items()}
        sizes, first, borders, others = list[int](), dict[str, int](), list[int](), []
        for parameter in parameters:
            if (name := owners.get(id(parameter))) is not None:
                first[name] = len(sizes)
                sizes += [parameter[0].numel()] * len(parameter)
            else:
                borders.append(len(sizes))
                others.append(parameter)
                sizes.append(parameter.numel())
        return cls(tuple(sizes), first, borders, others)
