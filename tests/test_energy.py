"""An energy in the place of an equation is told, and no equation is taken for one."""

import pytest

import pinn
from pinn import Problem, Rectangle, advect, div, dt, grad, laplacian, on

ENERGIES = {
    "dirichlet": lambda u, v: 0.5 * (grad(u) ** 2).sum(-1) - u,
    "minimal surface": lambda u, v: pinn.sqrt(1 + (grad(u) ** 2).sum(-1)),
    "with a mean": lambda u, v: 0.5 * (grad(u) ** 2).sum(-1) - u + pinn.integral(u) ** 2,
    "with a coefficient": lambda u, v: 0.5 * (2.0 + u**2) * grad(u) @ grad(u) + u**4 - u,
}
EQUATIONS = {
    "poisson": lambda u, v: laplacian(u) - 1.0,
    "with a source of heat": lambda u, v: laplacian(u) + (grad(u) ** 2).sum(-1),
    "advection": lambda u, v: advect(v, u) - 1.0,
    "continuity": lambda u, v: div(v * u),
    "one direction": lambda u, v: pinn.partial(u, "x") ** 2 - 1.0,
}


def notes(residual, capsys):
    class Plate(Problem):
        coordinates, unknowns, geometry = ("x", "y"), {"u": 1, "v": 2}, Rectangle()

        @on("interior")
        def eq(self, u, v):
            return residual(u, v)

        @on("boundary")
        def rest(self, u, v):
            return pinn.vector(u, v[:, 0], v[:, 1])

    phases = [pinn.Phase(optimizer="Adam", steps=1, lr=1e-3)]
    pinn.fit(Plate(), pinn.MLP(width=4, depth=1), phases=phases, points={"interior": 9})
    return [line for line in capsys.readouterr().out.splitlines() if "an energy" in line]


@pytest.mark.parametrize("name", ENERGIES)
def test_an_energy_is_told_in_one_line(name, capsys, here):
    (line,) = notes(ENERGIES[name], capsys)
    assert line.startswith("note      eq is made zero at every point. If it is an energy")


@pytest.mark.parametrize("name", EQUATIONS)
def test_an_equation_is_no_energy(name, capsys, here):
    assert notes(EQUATIONS[name], capsys) == []


def test_an_equation_with_time_is_no_energy(capsys, here):
    class Front(Problem):
        """The level-set equation of a front that moves."""

        coordinates, unknowns = ("x", "y", "t"), {"u": 1}
        geometry = Rectangle(time=(0, 1))

        @on("interior")
        def eq(self, u):
            return dt(u) + 0.5 * (grad(u) ** 2).sum(-1)

    phases = [pinn.Phase(optimizer="Adam", steps=1, lr=1e-3)]
    pinn.fit(Front(), pinn.MLP(width=4, depth=1), phases=phases, points={"interior": 9})
    assert "an energy" not in capsys.readouterr().out
