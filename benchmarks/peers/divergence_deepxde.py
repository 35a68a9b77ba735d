"""DeepXDE's divergence: the sum of `dde.grad.jacobian(y, x, i, i)`."""

import deepxde as dde
import torch
from serving import serve
from torch import Tensor, nn
from torch_flow import preparing


def divergence(network: nn.Module, x: Tensor) -> Tensor:
    """Σᵢ ∂uᵢ/∂xᵢ (N, 1)."""
    y = network(x)
    total: Tensor = sum(dde.grad.jacobian(y, x, i=i, j=i) for i in range(x.shape[1]))
    dde.grad.clear()  # as the package's model does after each loss
    return total


if __name__ == "__main__":
    versions = {"deepxde": dde.__version__, "torch": torch.__version__}
    serve(versions, preparing(divergence))
