"""The likelihood as it is written by hand: torchdiffeq, and one `autograd.grad` per component."""

from collections.abc import Callable

import torch
import torchdiffeq
from likelihood import STEPS, TOLERANCE, normal, serve
from torch import Tensor, nn


class Growth(nn.Module):
    """dx/dt = v,  dl/dt = ∇·v."""

    def __init__(self, velocity: nn.Module) -> None:
        super().__init__()
        self.velocity = velocity

    def forward(self, t: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Velocity and divergence."""
        keep = torch.is_grad_enabled()
        with torch.enable_grad():
            x = state[0] if state[0].requires_grad else state[0].detach().requires_grad_()
            v = self.velocity(t, x)
            total = torch.zeros_like(x[:, 0])
            for i, component in enumerate(v.unbind(-1)):
                (slope,) = torch.autograd.grad(
                    component.sum(), x, create_graph=keep, retain_graph=True
                )
                total = total + slope[:, i]
        return (v, total) if keep else (v.detach(), total.detach())


def likelihood(velocity: nn.Module, solver: str) -> Callable[[Tensor], Tensor]:
    """Through the solver, or by the adjoint equation where steps are chosen."""
    growth, times = (
        Growth(velocity),
        torch.tensor([0.0, 1.0], dtype=next(velocity.parameters()).dtype),
    )

    def log_prob(x: Tensor) -> Tensor:
        start = (x, torch.zeros_like(x[:, 0]))
        if solver == "rk4":
            options = {"step_size": 1 / STEPS}
            at, change = torchdiffeq.odeint(growth, start, times, method=solver, options=options)
        else:
            settings = {"rtol": TOLERANCE, "atol": TOLERANCE}
            at, change = torchdiffeq.odeint_adjoint(growth, start, times, method=solver, **settings)
        return normal(at[-1]) + change[-1]

    return log_prob


if __name__ == "__main__":
    serve({"torch": torch.__version__, "torchdiffeq": torchdiffeq.__version__}, likelihood)
