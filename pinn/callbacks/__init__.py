"""What happens around a step: keeping checkpoints, guarding, logging, drawing, reporting."""

from pinn.callbacks.alarm import Alarm
from pinn.callbacks.announce import Announce
from pinn.callbacks.check import Check
from pinn.callbacks.deadline import Deadline
from pinn.callbacks.guard import FiniteGuard
from pinn.callbacks.keeper import Keeper
from pinn.callbacks.panels import Panels
from pinn.callbacks.progress import progress_bar
from pinn.callbacks.report import Report
from pinn.callbacks.scalars import Scalars
from pinn.nonfinite import NonFiniteError

__all__ = [
    "Alarm",
    "Announce",
    "Check",
    "Deadline",
    "FiniteGuard",
    "Keeper",
    "NonFiniteError",
    "Panels",
    "Report",
    "Scalars",
    "progress_bar",
]
