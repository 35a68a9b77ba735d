"""neurodiffeq's `div`, which takes components and coordinates as columns."""

from importlib.metadata import version

import torch
from neurodiffeq.operators import div
from neurodiffeq.utils import set_tensor_type
from serving import serve
from torch import Tensor, nn
from torch_flow import preparing


def divergence(network: nn.Module, x: Tensor) -> Tensor:
    """Σᵢ ∂uᵢ/∂xᵢ (N, 1)."""
    columns = [column.detach().requires_grad_() for column in x.split(1, dim=1)]
    found: Tensor = div(*network(torch.cat(columns, dim=1)).split(1, dim=1), *columns)
    return found


if __name__ == "__main__":
    set_tensor_type(float_bits=32)  # the package sets float64
    versions = {"neurodiffeq": version("neurodiffeq"), "torch": torch.__version__}
    serve(versions, preparing(divergence))
