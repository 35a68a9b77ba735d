"""FastLSQ: sine features and closed derivatives, by one least-squares solve or by Newton steps.

`poisson`           its `solve_linear` with QR and a given scale: its own search for a scale
                    compares with the exact solution. 500 features of scale 3, 1,500 points inside,
                    400 on the boundary, with the rows of its own Poisson problem. By `auto`, which
                    chooses normal equations or an SVD, the error is 3e-13.
`kovasznay`         its own example, settings included: 800 features for a velocity without
                    divergence, 400 for the pressure, Newton steps by normal equations.
`kovasznay_qr`      the rows of its `IncompressibleFlow`, solved by its QR in place of the normal
                    equations: from the Stokes flow, undamped Newton steps until the residual no
                    longer falls by half. 500 features for the velocity, 250 for the pressure.
`kovasznay_qr800`   the same with 800 and 400.
"""

import math
import sys
import warnings
from functools import partial

import fastlsq as fl
import torch
from case import REYNOLDS
from watch import LOWER, UPPER, Points, Watch, velocity

LOW, HIGH = torch.tensor(LOWER), torch.tensor(UPPER)
WEIGHT = 10.0  # of the boundary, as in its example
STEPS = 12


class Poisson:
    """∇²u = −2π² sin πx sin πy on the unit square, u = 0 on the boundary, as it asks for it."""

    dim = 2

    @staticmethod
    def exact(x: torch.Tensor) -> torch.Tensor:
        """sin πx sin πy (N, 1)."""
        return torch.sin(math.pi * x).prod(dim=1, keepdim=True)

    def get_train_data(self, n_pde: int, n_bc: int) -> tuple:
        """Points inside, points and values on the boundary, the source."""
        inside = torch.rand(n_pde, 2)
        edge = boundary(n_bc // 4, torch.zeros(2), torch.ones(2))
        return inside, [(edge, torch.zeros(len(edge), 1))], 2 * math.pi**2 * self.exact(inside)

    def build(self, solver: fl.FastLSQSolver, x: torch.Tensor, bcs: list, f: torch.Tensor) -> tuple:
        """The rows of −∇²u = f, and those of the boundary times 100."""
        ((edge, values),) = bcs
        rows = torch.cat((-solver.basis.laplacian(x), 100 * solver.basis.evaluate(edge)))
        return rows, torch.cat((f, 100 * values))


def boundary(count: int, low: torch.Tensor, high: torch.Tensor) -> torch.Tensor:
    """Random points on the four sides of a box, as in its example (4 · count, 2)."""
    along, sides = torch.rand(count, 1), []
    for axis in range(2):
        for value in (low[axis], high[axis]):
            side = low + (high - low) * along
            side[:, axis] = value
            sides.append(side)
    return torch.cat(sides)


def given(x: torch.Tensor) -> torch.Tensor:
    """The velocity of Kovasznay flow (N, 2)."""
    return torch.from_numpy(velocity(x.numpy()))


def flow_of(features: int) -> fl.IncompressibleFlow:
    """The features of its example, in another number."""
    waves = fl.DivergenceFreeBasis.random(2, features, sigma=[1.0, 3.0, 6.0])
    pressure = fl.SinusoidalBasis.random(2, features // 2, sigma=3.0)
    return fl.IncompressibleFlow(waves, pressure, nu=1 / REYNOLDS)


def poisson(path: str, seconds: float) -> None:
    """One solve."""

    def truth(at: Points) -> Points:
        return Poisson.exact(torch.from_numpy(at)).numpy()

    watch = Watch(path, seconds, ((0.0, 0.0), (1.0, 1.0)), truth)
    found = fl.solve_linear(
        Poisson(),
        scale=3.0,
        n_blocks=1,
        hidden_size=500,
        n_pde=1500,
        n_bc=400,
        method="qr",
        return_metrics=False,
        verbose=False,
    )
    watch.look(lambda at: found["u_fn"](torch.from_numpy(at)).numpy())


def kovasznay(path: str, seconds: float) -> None:
    """Its example."""
    watch = Watch(path, seconds)
    flow = flow_of(800)
    inside = LOW + (HIGH - LOW) * torch.rand(5000, 2)
    edge = boundary(300, LOW, HIGH)
    somewhere = torch.tensor([[1.0, 0.25]])
    decay = REYNOLDS / 2 - math.hypot(REYNOLDS / 2, 2 * math.pi)
    pressure = 0.5 * (1 - torch.exp(2 * decay * somewhere[:, 0]))
    conditions = [
        fl.Dirichlet(edge, given(edge), weight=WEIGHT),
        fl.PressurePoint(somewhere, pressure, weight=WEIGHT),
    ]
    found = fl.solve_navier_stokes(flow, inside, conditions, max_iter=10, tol=1e-7)
    watch.look(lambda at: found.velocity(torch.from_numpy(at)).numpy())


def kovasznay_qr(path: str, seconds: float, features: int = 500) -> None:
    """Newton steps on its rows."""
    watch = Watch(path, seconds)
    flow = flow_of(features)
    inside = LOW + (HIGH - LOW) * torch.rand(3 * features, 2)
    edge = boundary(features // 7, LOW, HIGH)
    conditions = (
        flow.dirichlet_rows(edge, given(edge)),
        flow.pressure_rows(torch.tensor([[1.0, 0.25]])),
    )
    found = speed = slope = None
    last = math.inf
    for _ in range(STEPS):
        parts = [flow.momentum_rows(inside, speed, slope)]
        parts += [(WEIGHT * rows, WEIGHT * values) for rows, values in conditions]
        matrix, right = (torch.cat(each) for each in zip(*parts, strict=True))
        if found is not None:
            left = float((matrix @ found - right).norm())
            if left > last / 2:
                break
            last = left
        found = fl.solve_lstsq(matrix, right, method="qr")
        speed, slope, _ = flow.evaluate(inside, found)
        watch.look(lambda at, found=found: flow.evaluate(torch.from_numpy(at), found)[0].numpy())


def main(path: str, seconds: str, seed: str, problem: str = "kovasznay") -> None:
    torch.manual_seed(int(seed))
    # Its QR says that features are nearly dependent, as random ones are.
    warnings.filterwarnings("ignore", message=r"solve_lstsq\(method='qr'\)")
    solve = {
        "poisson": poisson,
        "kovasznay": kovasznay,
        "kovasznay_qr": kovasznay_qr,
        "kovasznay_qr800": partial(kovasznay_qr, features=800),
    }
    solve[problem](path, float(seconds))


if __name__ == "__main__":
    main(*sys.argv[1:])
