"""PINA's `pina.operator.div` on label tensors."""

from importlib.metadata import version

import torch
from pina import LabelTensor
from pina.operator import div
from serving import serve
from torch import Tensor, nn
from torch_flow import preparing


def divergence(network: nn.Module, x: Tensor) -> Tensor:
    """Σᵢ ∂uᵢ/∂xᵢ (N, 1)."""
    labels = [f"x{i}" for i in range(x.shape[1])]
    points = LabelTensor(x, labels)
    output = LabelTensor(network(points).as_subclass(Tensor), [f"u{i}" for i in range(len(labels))])
    return div(output, points).as_subclass(Tensor)


if __name__ == "__main__":
    versions = {"pina-mathlab": version("pina-mathlab"), "torch": torch.__version__}
    serve(versions, preparing(divergence))
