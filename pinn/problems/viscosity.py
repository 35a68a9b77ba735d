"""An inverse problem: the viscosity of Kovasznay flow, from measured velocities."""

import math

import torch
from torch import Tensor, nn

from pinn.base.messages import whole
from pinn.fields.field import Field, coordinate_field
from pinn.fields.functions import vector
from pinn.fields.vector_calculus import advect, grad, laplacian
from pinn.geometry.sampling import stream_seed
from pinn.physics.problem import Fields, Gauge, positive
from pinn.physics.residuals import on
from pinn.problems.kovasznay import Kovasznay
from pinn.problems.navier_stokes import NavierStokes


class KovasznayViscosity(NavierStokes):
    """Steady incompressible Navier–Stokes in the plane with an unknown viscosity:

        (u·∇)u + ∇p − ν ∇²u = 0,   ∇·u = 0,     uᵢ = u(xᵢ) + σ_u εᵢ,   vᵢ = v(xᵢ) + σ_v ε′ᵢ,

    with ν = 1/Re and standard normal ε.

    Symbols: velocity u = (u, v) → `u`, kinematic pressure p → `p`, ν → `nu`, a parameter of the
    module; the samples uᵢ = (uᵢ, vᵢ) → `u_sample`, `v_sample`. Non-dimensional by the mean velocity
    and the spacing of the grid behind which the flow is, pressure by U².

    Data it may use: the velocity at places drawn uniformly in the box, with normal noise; σ_u is
    `noise` times the standard deviation of u over the samples, σ_v times that of v. Nothing is
    known on the boundary, nor of the pressure. The samples are made from the exact solution.

    Source: L. I. G. Kovasznay, "Laminar flow behind a two-dimensional grid", Proc. Camb. Phil. Soc.
    44 (1948) 58–62, doi:10.1017/S0305004100023999. Noise in units of each component's deviation is
    that of M. Raissi, P. Perdikaris, G. E. Karniadakis, J. Comput. Phys. 378 (2019) 686–707,
    doi:10.1016/j.jcp.2018.10.045.

    Good values: Re = 40 with 200 tanh units of spread 2, 676 interior points, `gauss`, weight 4,000
    of the equations and 1 of `sampled`, 40 steps of Levenberg–Marquardt on the output layer: ν to
    0.16 % (standard deviation).

    Args:
        reynolds: the Reynolds number of the flow that is measured.
        samples: how many velocities are measured, 2 at least.
        noise: σ in units of the component's standard deviation; 0 measures exactly.
        draw: seed of places and noise.
        guess: ν to start from.
        gauge: how the constant of the pressure is chosen: `zero_mean`, `pin` or `free`.

    Raises:
        ValueError: a number is out of range.
    """

    columns = ("u_sample", "v_sample")
    continuation = None  # its viscosity is learned

    def __init__(
        self,
        reynolds: float = 40.0,
        samples: int = 200,
        noise: float = 0.01,
        draw: int = 0,
        guess: float = 0.1,
        gauge: Gauge = "zero_mean",
    ) -> None:
        if not 0 <= noise < math.inf:
            raise ValueError(f"noise is {noise}: it must be a finite number, 0 or more")
        flow = Kovasznay(positive("reynolds", reynolds))
        columns = measure(
            flow, whole("samples", samples, least=2), noise, whole("draw", draw, least=0)
        )
        super().__init__(flow.geometry.with_points("samples", columns), reynolds, gauge)
        self.flow = flow
        self.spread = tuple(float(columns[name].std()) for name in self.columns)
        self.nu = nn.Parameter(torch.tensor(positive("guess", guess)))

    @on("interior")
    def momentum(self, u: Field, p: Field) -> Field:
        """(u·∇)u + ∇p − ν ∇²u."""
        return advect(u, u) + grad(p) - self.nu * laplacian(u)

    @on("samples")
    def sampled(self, u: Field, u_sample: Field, v_sample: Field) -> Field:
        """((u − uᵢ)/std u, (v − vᵢ)/std v), of one noise, at the places of the samples."""
        return (u - vector(u_sample, v_sample)) / self.spread

    def exact(self, at: Field) -> Fields:
        """That of the flow that was measured."""
        return self.flow.exact(at)


def measure(flow: Kovasznay, samples: int, noise: float, draw: int) -> dict[str, Tensor]:
    """Places and noisy velocities there, as columns."""
    at = flow.geometry.sample("interior", samples, "uniform", draw).at
    velocity = flow.velocity(coordinate_field(at, flow.geometry.coordinates)).value
    generator = torch.Generator().manual_seed(stream_seed(draw, 0, 0, "noise"))
    normal = torch.randn(velocity.shape, generator=generator, dtype=velocity.dtype)
    velocity = velocity + noise * velocity.std(0) * normal
    return dict(zip(("x", "y", "u_sample", "v_sample"), (*at.T, *velocity.T), strict=True))
