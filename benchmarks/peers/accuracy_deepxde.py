"""DeepXDE's own Kovasznay example: 4 × 50 tanh, Adam, then L-BFGS.

As there: 2,601 points inside and 400 on the boundary, the pressure given at the outflow, a learning
rate of 1e-3, float32 (in float64, which the package advises where L-BFGS stops early, the error
after 40 seconds was larger). Other than there: Re = 40 in place of 20, phases by the clock in place
of 30,000 and up to 15,000 iterations, and L-BFGS interrupted every 10 iterations to be looked at.
"""

import sys

import deepxde as dde
import numpy as np
from step_deepxde import equations
from watch import ADAM, DECAY, ITERATIONS, LOWER, UPPER, Points, Watch, velocity

ENDLESS = 10**9


class Clock(dde.callbacks.Callback):
    """Ends a phase when its share of the seconds is used up."""

    def __init__(self, watch: Watch, share: float) -> None:
        super().__init__()
        self.watch, self.share = watch, share

    def on_batch_end(self) -> None:
        """A step is done."""
        used = self.watch.look(lambda at: self.model.predict(at)[:, :2])
        self.model.stop_training = used >= self.share


def speed(at: Points) -> Points:
    """u (N, 1)."""
    return velocity(at)[:, :1]


def cross(at: Points) -> Points:
    """v (N, 1)."""
    return velocity(at)[:, 1:]


def pressure(at: Points) -> Points:
    """(1 − e^{2λx})/2 (N, 1)."""
    return (1 - np.exp(2 * DECAY * at[:, :1])) / 2


def anywhere(at: Points, on_boundary: bool) -> bool:
    """Whether a point is on the boundary."""
    return on_boundary


def at_outflow(at: Points, on_boundary: bool) -> bool:
    """Whether a point of the boundary is on the right."""
    return on_boundary and bool(np.isclose(at[0], UPPER[0]))


def main(path: str, seconds: str, seed: str, _: str = "kovasznay") -> None:
    watch = Watch(path, float(seconds))
    dde.config.set_random_seed(int(seed))
    box = dde.geometry.Rectangle(xmin=LOWER, xmax=UPPER)
    given = [
        dde.icbc.DirichletBC(box, speed, anywhere, component=0),
        dde.icbc.DirichletBC(box, cross, anywhere, component=1),
        dde.icbc.DirichletBC(box, pressure, at_outflow, component=2),
    ]
    data = dde.data.PDE(box, equations, given, num_domain=2601, num_boundary=400)
    model = dde.Model(data, dde.nn.FNN([2, *4 * [50], 3], "tanh", "Glorot normal"))
    model.compile("adam", lr=1e-3)
    model.train(
        iterations=ENDLESS, display_every=ENDLESS, callbacks=[Clock(watch, ADAM)], verbose=0
    )
    dde.optimizers.set_LBFGS_options(maxiter=ENDLESS)
    dde.optimizers.config.LBFGS_options |= {
        "iter_per_step": ITERATIONS,
        "fun_per_step": ITERATIONS * 5 // 4,
    }
    model.compile("L-BFGS")
    model.train(display_every=ENDLESS, callbacks=[Clock(watch, 1)], verbose=0)


if __name__ == "__main__":
    main(*sys.argv[1:])
