"""TorchPhysics's `tp.utils.div`."""

from importlib.metadata import version

import torch
import torchphysics as tp
from serving import serve
from torch import Tensor, nn
from torch_flow import preparing


def divergence(network: nn.Module, x: Tensor) -> Tensor:
    """Σᵢ ∂uᵢ/∂xᵢ (N, 1)."""
    found: Tensor = tp.utils.div(network(x), x)
    return found


if __name__ == "__main__":
    versions = {"torchphysics": version("torchphysics"), "torch": torch.__version__}
    serve(versions, preparing(divergence))
