"""The divergence by one `torch.autograd.grad` per component, as it is written by hand."""

import torch
from serving import serve
from torch import Tensor, nn
from torch_flow import preparing


def divergence(network: nn.Module, x: Tensor) -> Tensor:
    """Σᵢ ∂uᵢ/∂xᵢ (N,)."""
    total = torch.zeros(len(x))
    for i, component in enumerate(network(x).unbind(-1)):
        total = total + torch.autograd.grad(component.sum(), x, create_graph=True)[0][:, i]
    return total


if __name__ == "__main__":
    serve({"torch": torch.__version__}, preparing(divergence))
