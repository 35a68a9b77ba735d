"""The dense network."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, silu, softplus

from pinn.base.messages import one_of, whole
from pinn.geometry import Geometry
from pinn.networks.embeddings import Embedding, Scaling
from pinn.networks.network import Network

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sin": torch.sin,
    "silu": silu,
    "gelu": gelu,
    "softplus": softplus,
    "sigmoid": torch.sigmoid,
}


class MLP(Network):
    """A dense network  f = W_L σ(… σ(W₁ x̂ + b₁) …) + b_L  on inputs scaled to [-1, 1].

    Weights are drawn from the Xavier normal distribution, biases start at zero: Glorot & Bengio
    (2010), https://proceedings.mlr.press/v9/glorot10a.html. Width 64 and depth 4 with tanh suit
    smooth two-dimensional flows.

    Args:
        width: number of units of each hidden layer.
        depth: number of hidden layers.
        activation: tanh, sin, silu, gelu, softplus or sigmoid.
        embedding: features fed to the first layer in place of the scaled coordinates.
        spread: draws the first layer for a network of which only the output layer is trained:
            σ(w·(x̂ − c)) with wᵢ uniform in [-spreadᵢ, spreadᵢ] and centres c uniform in the box, so
            that every unit bends inside it; one number, or one per input of the layer. 2 to 5 suit
            smooth fields, more finer ones.

    Raises:
        ValueError: width, depth or spread is out of range, or the activation is unknown.
    """

    def __init__(
        self,
        width: int = 64,
        depth: int = 4,
        activation: str = "tanh",
        embedding: Embedding | None = None,
        spread: float | list[float] | None = None,
    ) -> None:
        super().__init__()
        for each in spread if isinstance(spread, list) else [1.0 if spread is None else spread]:
            if not 0 < each < math.inf:
                raise ValueError(f"MLP spread is {spread}: expected a positive number, or several")
        self.spread, self.is_drawn = spread, spread is not None
        one_of("activation", activation, ACTIVATIONS)
        self.width = whole("MLP width", width, most=10**5)
        self.depth = whole("MLP depth", depth, most=10**3)
        self.activation = activation
        self.embedding: Embedding = Scaling() if embedding is None else embedding
        self.hidden = nn.ModuleList()

    def create(self, geometry: Geometry, outputs: int) -> None:
        """Creates `depth` hidden layers and the output layer."""
        inputs = self.embedding.build(geometry)
        for _ in range(self.depth):
            layer = _dense(inputs, self.width)
            if self.spread is not None and not self.hidden:
                _spread_out(layer, self.spread, self.embedding.extents)
            self.hidden.append(layer)
            inputs = self.width
        self.output = _dense(inputs, outputs)

    def value(self, x: Tensor) -> Tensor:
        """f(x): points (..., D) to values (..., C)."""
        sigma = ACTIVATIONS[self.activation]
        hidden = self.embedding(x)
        for layer in self.hidden:
            hidden = sigma(layer(hidden))
        value: Tensor = self.output(hidden)
        return value


@torch.no_grad()
def _spread_out(
    layer: nn.Linear, spread: float | list[float], extents: Sequence[float] | None
) -> None:
    """wᵢ uniform in [-spreadᵢ, spreadᵢ],  b = −w·c  with cᵢ uniform in [-extentᵢ, extentᵢ].

    Raises:
        ValueError: there are not as many spreads as inputs.
    """
    inputs = layer.in_features
    each = spread if isinstance(spread, list) else [spread] * inputs
    if len(each) != inputs:
        raise ValueError(f"MLP spread has {len(each)} numbers, the first layer {inputs} inputs")
    layer.weight.uniform_(-1, 1).mul_(layer.weight.new_tensor(each))
    centres = torch.empty_like(layer.weight).uniform_(-1, 1)
    if extents is not None:
        centres.mul_(layer.weight.new_tensor(extents))
    layer.bias.copy_(-(layer.weight * centres).sum(1))


def _dense(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_normal_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
