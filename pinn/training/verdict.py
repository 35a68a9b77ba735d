"""What is said of the result of a run in rounds."""

from pinn.training.outcome import FULL
from pinn.training.rounds import Rounds

SHOWN = 0.1  # an estimated error from which on a problem counts as not solved


def reason(rounds: Rounds) -> str:
    """Why no round follows."""
    if rounds.is_done and rounds.is_exact:
        return "the residual is at rounding"
    if rounds.is_done:
        return f"the estimated error {rounds.error:.1e} is below {rounds.tolerance:g}"
    return rounds.outcomes[-1].decision


def verdict(rounds: Rounds) -> list[str]:
    """The estimated errors, and whether it is a solution at all."""
    if rounds.open:
        return [
            f"not solved: equations and conditions leave {', '.join(rounds.open)} open, so that "
            "this is one of many solutions: add a condition, or more measured points"
        ]
    if rounds.noise.is_reached:
        return ["the measured data are met up to their noise, which decides on the error"]
    if rounds.is_done and rounds.is_exact:
        return [
            "estimated relative error: that of rounding, since the residual has no more than that"
        ]
    more = "memory" if rounds.outcomes and rounds.outcomes[-1].decision == FULL else "steps"
    if not any(outcome.errors for outcome in rounds.outcomes):
        return [f"not solved: the run ended before an error could be estimated: give more {more}"]
    if (until := rounds.continuation.until) is not None:
        end = rounds.solution.problem.geometry.upper[-1]
        return [f"not solved beyond t = {until:.4g}, of {end:.4g}: give more {more}"]
    told = ", ".join(f"{n} {e:.0e}" for n, e in rounds.errors.items())
    lines = [f"estimated relative error of {told}"]
    if rounds.error > SHOWN:
        cure = "a shorter time, or look for an equation that has no solution"
        if rounds.solution.problem.continuation is None:
            cure = f"an easier coefficient, which the problem may name as `continuation`, {cure}"
        lines.append(f"not solved: the estimated error is {rounds.error:.0%}: try {cure}")
    elif not rounds.is_done:
        lines.append(f"the error asked for, {rounds.tolerance:g}, is not reached")
    return lines
