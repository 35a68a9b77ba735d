"""The likelihood of the example `normalising_flow.py`."""

import sys
from collections.abc import Callable
from pathlib import Path

import torch
from likelihood import STEPS, serve
from torch import Tensor, nn

sys.path.append(str(Path(__file__).parents[2] / "examples"))
from normalising_flow import Flow


def likelihood(velocity: nn.Module, solver: str) -> Callable[[Tensor], Tensor]:
    """Exact, with a strategy that is chosen."""
    return Flow(velocity, STEPS if solver == "rk4" else None)


if __name__ == "__main__":
    serve({"torch": torch.__version__}, likelihood)
