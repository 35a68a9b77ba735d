"""DeepXDE: `dde.data.PDE` with anchors, `PointSetBC` and `dde.Model.train`."""

import sys

import deepxde as dde
import torch
from case import LEARNING_RATE, REYNOLDS, Case
from dense import fill
from protocol import Session
from torch import Tensor


def equations(x: Tensor, y: Tensor) -> list[Tensor]:
    """Momentum and continuity, as in the package's Kovasznay example."""
    u, v = y[:, 0:1], y[:, 1:2]
    u_x, u_y = (dde.grad.jacobian(y, x, i=0, j=j) for j in (0, 1))
    v_x, v_y = (dde.grad.jacobian(y, x, i=1, j=j) for j in (0, 1))
    p_x, p_y = (dde.grad.jacobian(y, x, i=2, j=j) for j in (0, 1))
    u_xx, u_yy = (dde.grad.hessian(y, x, component=0, i=j, j=j) for j in (0, 1))
    v_xx, v_yy = (dde.grad.hessian(y, x, component=1, i=j, j=j) for j in (0, 1))
    return [
        u * u_x + v * u_y + p_x - (u_xx + u_yy) / REYNOLDS,
        u * v_x + v * v_y + p_y - (v_xx + v_yy) / REYNOLDS,
        u_x + v_y,
    ]


class Losses:
    """The package's mean squared error, remembering the terms of the last step.

    Its training loop does not keep them.
    """

    def __init__(self, terms: int) -> None:
        self.terms = terms
        self.last: list[Tensor] = []

    def __call__(self, true: Tensor, predicted: Tensor) -> Tensor:
        """Mean (true − predicted)²."""
        loss: Tensor = dde.losses.mean_squared_error(true, predicted)
        self.last = [*self.last[1 - self.terms :], loss.detach()]
        return loss

    def total(self) -> float:
        """The sum of the last step's terms."""
        return float(sum(self.last))


class Ticker(dde.callbacks.Callback):
    """Steps on request."""

    def __init__(self, session: Session, losses: Losses) -> None:
        super().__init__()
        self.session, self.losses = session, losses

    def on_batch_begin(self) -> None:
        """A step is about to begin."""
        self.session.tick(self.losses.total)


def main(path: str) -> None:
    case = Case.load(path)
    session = Session({"deepxde": dde.__version__, "torch": torch.__version__})
    given = [
        dde.icbc.PointSetBC(case.boundary, case.velocity[:, i : i + 1], component=i) for i in (0, 1)
    ]
    geometry = dde.geometry.Rectangle(xmin=[-0.5, -0.5], xmax=[1.0, 1.5])
    data = dde.data.PDE(geometry, equations, given, anchors=case.interior)
    network = dde.nn.FNN([2, *[case.width] * case.depth, 3], "tanh", "Glorot normal")
    fill(network, case.weights, case.biases)
    losses = Losses(terms=5)
    model = dde.Model(data, network)
    model.compile("adam", lr=LEARNING_RATE, loss=losses)
    endless = 10**9
    model.train(
        iterations=endless, display_every=endless, callbacks=[Ticker(session, losses)], verbose=0
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
