"""This package's recorded step, captured as one CUDA graph: a bound on what launches cost.

The package itself captures nothing; on a CPU the same step runs without the capture.
"""

import sys
from collections.abc import Callable
from typing import Any

import torch
from case import LEARNING_RATE, Case
from dense import on_device
from protocol import Session
from step_ours import make_solver
from torch import Tensor

import pinn
from pinn.base.console import quiet
from pinn.training.collocation import Collocation

WARM_UP = 4  # steps, so that the captured one is not held against the Python, see `cache.rechecks`


class Step:
    """Gradient and Adam at fixed points, without the trainer.

    Args:
        case: points and weights.
        device: `cpu` or `cuda`.
    """

    def __init__(self, case: Case, device: str) -> None:
        solver = make_solver(case, "recorded")
        data = Collocation({"interior": len(case.interior), "boundary": len(case.boundary)})
        solver.attach(data)
        solver.to(device)
        self.objective = solver.objective
        self.objective.mode = "recorded"
        self.parameters = self.objective.parameters()
        self.points = data.draw(solver.problem, 0, 0, self.parameters[0])
        self.weights = solver.balance.weights
        solver.settle()
        on_gpu = device == "cuda"
        self.adam = torch.optim.Adam(self.parameters, lr=LEARNING_RATE, capturable=on_gpu)

    def run(self) -> Tensor:
        """One step; the loss before it."""
        losses, slopes = self.objective.gradient(self.points, self.weights)
        for parameter, slope in zip(self.parameters, slopes, strict=True):
            parameter.grad = slope
        self.adam.step()
        return losses.sum()  # all weights are 1

    @torch.no_grad()
    def captured(self) -> tuple[Callable[[], Any], Tensor]:
        """What replays the step, and where each replay leaves the loss."""
        before = [p.detach().clone() for p in self.parameters]
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(WARM_UP):
                self.run()
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self.run()
        for parameter, value in zip(self.parameters, before, strict=True):
            parameter.copy_(value)
        for state in self.adam.state.values():
            for value in state.values():
                value.zero_()
        return graph.replay, loss


def main(path: str, device: str = "cpu") -> None:
    quiet()
    versions = {"pinn": pinn.__version__, "torch": torch.__version__}
    session = Session(versions, **on_device(device))
    step, loss = Step(Case.load(path), device), torch.zeros(())
    replay = None
    if device == "cuda":
        replay, loss = step.captured()
    while True:
        session.tick(loss.item)
        if replay is None:
            loss = step.run()
        else:
            replay()


if __name__ == "__main__":
    main(*sys.argv[1:])
