"""The checks of every exported program, and the message if it cannot be exported."""

import contextlib
import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5}


class ExportError(RuntimeError):
    """A solution that cannot be written as a program, or not exactly."""


@dataclass(frozen=True)
class Expected:
    """What every program has to give.

    Args:
        cases: points (N, D), and the values there.
        sizes: of the numbers that these were computed from, before a gauge took a constant away.
    """

    cases: Sequence[tuple[Tensor, Mapping[str, Tensor]]]
    sizes: Mapping[str, float]

    def hold(self, program: Callable[[Tensor], Mapping[str, Tensor]], what: str) -> None:
        """Hold a program against them.

        Raises:
            ExportError: its numbers differ.
        """
        for points, values in self.cases:
            outputs = program(points)
            for name, value in values.items():
                if outputs[name].shape != value.shape:
                    raise ExportError(f"{what} gives {name!r} in another shape")
                scale = max(float(value.abs().max()), self.sizes.get(name, 0.0), 1.0)
                error = float((outputs[name].to(value) - value).abs().max()) / scale
                if not error <= TOLERANCES.get(value.dtype, 1e-5):
                    raise ExportError(f"{what} gives {name!r} with an error of {error:.1e}")


def first_line(error: Exception) -> str:
    """What went wrong, in one line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """Without the notes that exporters print."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
