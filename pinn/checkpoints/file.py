"""Reading checkpoints: their bytes are verified first, and everything in them is plain data."""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch

from pinn.base.console import say
from pinn.base.messages import cut
from pinn.base.paths import unreadable
from pinn.checkpoints.contents import OPTIONAL, check, check_solution, shown
from pinn.checkpoints.migrations import FORMAT, MIGRATIONS, SEALED, current
from pinn.checkpoints.names import step_of
from pinn.checkpoints.revival import CheckpointError as CheckpointError
from pinn.checkpoints.revival import Given, Revival
from pinn.checkpoints.seal import verified
from pinn.checkpoints.states import is_extra
from pinn.physics.estimates import Estimate
from pinn.physics.problem import Problem
from pinn.solution.solution import Solution

# The files without a hash that were read because somebody asked for it; None where nobody has.
TRUSTED: ContextVar[set[Path] | None] = ContextVar("TRUSTED", default=None)


class UnsealedError(CheckpointError):
    """A file as earlier versions wrote them, without a hash of its contents."""


@contextmanager
def trusting(old: bool) -> Iterator[None]:
    """Read files without a hash in this block, if `old`; each is named once."""
    token = TRUSTED.set(set() if old else TRUSTED.get())
    try:
        yield
    finally:
        TRUSTED.reset(token)


def read(path: str | Path) -> dict[str, Any]:
    """The contents of a checkpoint file, on the CPU, its bytes verified first.

    Raises:
        UnsealedError: an earlier version wrote it, and nobody has asked for it.
        CheckpointError: missing, damaged, foreign, or of a newer format; one line says which.
    """
    file = Path(path)
    why = unreadable(file)
    if why == "is a folder":
        there = [*file.glob("*.ckpt"), *file.glob("checkpoints/*.ckpt")]
        newest = max(there, key=lambda f: (step_of(f), f.name), default="the file of a checkpoint")
        raise CheckpointError(f"checkpoint {file} is a folder: give {newest}")
    if why:
        raise CheckpointError(f"checkpoint {cut(file, 300)} {why}")
    wrote = verified(file)
    if wrote is None:
        contents = read_unsealed(file)
    elif wrote.format > FORMAT:
        raise CheckpointError(
            f"{file} was made by a newer version, pinn {wrote.pinn}: it has format {wrote.format}, "
            f"this version reads up to {FORMAT}: update pinn"
        )
    else:
        try:
            contents = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            raise CheckpointError(
                f"{file} is not damaged, but torch {torch.__version__} cannot read it: torch "
                f"{wrote.torch} wrote it ({type(error).__name__})"
            ) from error
    check_origin(file, contents)
    check(file, contents, OPTIONAL, lenient=True)
    contents = current(contents)
    check_solution(file, contents)
    return contents


def check_origin(file: Path, contents: Any) -> None:
    """Refuse what another program wrote, or has a format that is not known."""
    if not isinstance(contents, dict) or not isinstance(contents.get("pinn"), dict):
        raise CheckpointError(f"{file} was not written by this program: it has no 'pinn' entry")
    number = contents["pinn"].get("format")
    if number not in (*MIGRATIONS, FORMAT):
        raise CheckpointError(f"{file} has format {number}, this version reads up to {FORMAT}")


def read_unsealed(file: Path) -> Any:
    """The contents of a file without a hash.

    Torch looks neither at check sums nor, in all that a record says of itself, at what is true:
    it gets a copy of what Python finds under each name.

    Raises:
        UnsealedError: nobody has asked for such files.
        CheckpointError: it is damaged.
    """
    try:
        with zipfile.ZipFile(file) as archive, io.BytesIO() as copy:
            with zipfile.ZipFile(copy, "w") as clean:
                for record in archive.infolist():
                    if record.compress_type != zipfile.ZIP_STORED:
                        raise zipfile.BadZipFile(record.filename)
                    clean.writestr(record.filename, archive.read(record))
            copy.seek(0)
            contents = torch.load(copy, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen unrelated types for damaged files
        kind = type(error).__name__
        raise CheckpointError(f"{file} is damaged, or it is not a checkpoint ({kind})") from error
    check_origin(file, contents)
    if contents["pinn"]["format"] >= SEALED:
        raise CheckpointError(
            f"{file} is damaged: the hash that its format has is not at its end: take another "
            "checkpoint"
        )
    trusted = TRUSTED.get()
    if trusted is None:
        raise UnsealedError(
            f"{file} has no hash: an earlier version wrote it, or it is damaged: to read it "
            "unverified, add --trust_old (in Python trust_old=True)"
        )
    if file not in trusted:
        trusted.add(file)
        say(f"note      {file} has no hash: it is read unverified, as trust_old asks")
    return contents


def load(
    path: str | Path,
    problem: Problem | type[Problem] | None = None,
    network: Given | Mapping[str, Given] | None = None,
    allow_import: str | Sequence[str] = (),
    trust_old: bool = False,
) -> Solution:
    """The solution in a checkpoint: evaluates the unknowns and their derivatives anywhere.

        solution = pinn.load("last.ckpt")
        solution(points)["u"]                      values at points (N, D)
        solution.estimates["nu"]                   a coefficient: 0.02490 ± 0.00036 (95 %)
        fields, at = solution.fields(points)       fields["p"], grad(fields["p"]), div(…), …

    A class that was defined in a script or notebook is found in a session that defines it again;
    elsewhere it is given.

    Args:
        path: the checkpoint.
        problem: the problem, or its class, which gets the arguments in the checkpoint; needed where
            the class cannot be imported by name.
        network: likewise; an object where it is an ordinary module, whose arguments the checkpoint
            may not hold.
        allow_import: packages outside `pinn` whose classes may be imported.
        trust_old: whether a file of an earlier version, which has no hash, is read.

    Raises:
        CheckpointError: the file is unusable, its weights do not fit, or a class is not found; the
            line says what to call.
        ValueError: a class may not be imported.
    """
    with trusting(trust_old):
        contents = read(path)
    saved = contents["pinn"]
    more = (allow_import,) if isinstance(allow_import, str) else tuple(allow_import)
    revival = Revival(path, saved, ("pinn", *more))
    problem, network = revival.problem(problem), revival.network(network)
    if problem is None or network is None:
        raise revival.complaint()
    if len(problem.stages) > 1:
        problem.enter(saved["course"]["stage"])
    solution = Solution(problem, network)
    solution.to(getattr(torch, saved["dtype"]))
    restore_weights(solution, contents["state_dict"], path)
    solution.strategy = {name: choice["strategy"] for name, choice in saved["strategy"].items()}
    solution.estimates = revive_estimates(saved)
    return solution.eval()


def revive_estimates(saved: Mapping[str, Any]) -> dict[str, Estimate]:
    """The coefficients with their intervals, from the `pinn` entry of a checkpoint."""
    return {name: Estimate(**estimate) for name, estimate in saved.get("estimates", {}).items()}


def start_from(solution: Solution, path: str | Path) -> None:
    """Put the weights in a checkpoint into a solution."""
    restore_weights(solution, read(path)["state_dict"], path)


def restore_weights(solution: Solution, state: Mapping[str, Any], path: str | Path) -> None:
    """Put saved weights into a solution.

    Raises:
        CheckpointError: names or shapes differ, or a weight is no number; the line says which.
    """
    weights = fitting_weights(solution, state, path)
    solution.load_state_dict(weights)


def fitting_weights(
    solution: Solution, state: Mapping[str, Any], path: str | Path
) -> dict[str, Any]:
    """Saved weights by their names in a solution.

    Raises:
        CheckpointError: names or shapes differ, or a weight is no number; the line says which.
    """
    prefix = "solution."
    weights = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    own, trained = solution.state_dict(), dict(solution.named_parameters(remove_duplicate=False))
    name = type(solution.problem).__name__
    for key in own:
        if key not in weights:
            raise CheckpointError(
                f"{path} does not fit {name}: {key} {size(own[key])} is not in the "
                "checkpoint: it is of another problem or network"
            )
        if not is_extra(key) and weights[key].shape != own[key].shape:
            raise CheckpointError(
                f"{path} does not fit {name}: {key} has shape {tuple(weights[key].shape)} in the "
                f"checkpoint and {tuple(own[key].shape)} here: it is of "
                "a network of other sizes, or of another problem"
            )
    for key, value in weights.items():
        if key not in own:
            raise CheckpointError(
                f"{path} does not fit {name}: the checkpoint has {key} {size(value)}, which "
                "is not here: it is of another problem or network"
            )
        if key in trained and not bool(value.isfinite().all()):  # a mask may be infinite
            count = int((~value.isfinite()).sum())
            raise CheckpointError(
                f"{path}: {count} of the {value.numel()} numbers of {key} are NaN or infinite: the "
                "run had diverged, take an earlier checkpoint"
            )
    return weights


def size(value: Any) -> str:
    """The shape of a tensor; what else stands in a state is shown."""
    return str(tuple(value.shape)) if isinstance(value, torch.Tensor) else shown(value)
