"""The problems that come with the package, one family of equations per file.

A new equation goes here. What a user's own problem can do belongs in `physics`.

    navier_stokes  incompressible flow
    cavity         the lid-driven cavity, with its reference in `cavity_data`
    step           flow over a backward-facing step, with a reference in `step_data`
    cube           the lid-driven cube
    kovasznay      an exact steady flow
    taylor_green   exact vortices in the plane
    beltrami       an exact flow in space
    random_flow    a forced flow of random waves
    channel        Poiseuille and Couette flow
    convection     flow driven by buoyancy, with its reference in `convection_data`
    cylinder       flow past a cylinder in a channel, with drag and lift
    aerofoil       potential flow about an aerofoil, with its points in `aerofoil_data`
    continuity     density in a given flow
    advection      linear advection
    diffusion      advection against diffusion, with thin layers at walls
    burgers        a wave that steepens into a shock
    allen_cahn     two phases that separate, with its reference in `allen_cahn_data`
    poisson        ∇²u = f
    bending        a clamped plate, ∇⁴w = q
    plate          heat conduction in a plate with holes, with its reference in `plate_data`
    viscosity      an unknown viscosity from measurements

May import: physics, fields, algebra, geometry, base.
"""

from pinn.problems.advection import Advection as Advection
from pinn.problems.aerofoil import Aerofoil as Aerofoil
from pinn.problems.allen_cahn import AllenCahn as AllenCahn
from pinn.problems.beltrami import Beltrami3D as Beltrami3D
from pinn.problems.bending import ClampedPlate as ClampedPlate
from pinn.problems.burgers import Burgers as Burgers
from pinn.problems.cavity import LidDrivenCavity as LidDrivenCavity
from pinn.problems.channel import Couette as Couette
from pinn.problems.channel import Poiseuille as Poiseuille
from pinn.problems.continuity import Continuity as Continuity
from pinn.problems.convection import NaturalConvection as NaturalConvection
from pinn.problems.cube import LidDrivenCube as LidDrivenCube
from pinn.problems.cylinder import CylinderFlow as CylinderFlow
from pinn.problems.diffusion import AdvectionDiffusion as AdvectionDiffusion
from pinn.problems.diffusion import AdvectionDiffusion2D as AdvectionDiffusion2D
from pinn.problems.kovasznay import Kovasznay as Kovasznay
from pinn.problems.navier_stokes import NavierStokes as NavierStokes
from pinn.problems.navier_stokes import UnsteadyNavierStokes as UnsteadyNavierStokes
from pinn.problems.plate import PlateWithHoles as PlateWithHoles
from pinn.problems.poisson import Poisson as Poisson
from pinn.problems.random_flow import RandomFlow as RandomFlow
from pinn.problems.step import BackwardStep as BackwardStep
from pinn.problems.taylor_green import TaylorGreen2D as TaylorGreen2D
from pinn.problems.viscosity import KovasznayViscosity as KovasznayViscosity
