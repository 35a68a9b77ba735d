"""Checkpoints: written beside their target and renamed; everything in them is plain data."""

import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.io.torch_io import TorchCheckpointIO

from pinn.base.console import say
from pinn.checkpoints.migrations import FORMAT, MIGRATIONS, current
from pinn.checkpoints.revival import CheckpointError as CheckpointError
from pinn.checkpoints.revival import Given, Revival
from pinn.physics.estimates import Estimate
from pinn.physics.problem import Problem
from pinn.solution.solution import Solution


class AtomicCheckpointIO(TorchCheckpointIO):
    """A checkpoint appears whole or not at all, whatever stops the process."""

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write beside the target, flush to the disk, and rename; weights with NaN are not kept."""
        target = Path(path)
        if not all(
            bool(torch.isfinite(w).all()) for w in checkpoint.get("state_dict", {}).values()
        ):
            say(f"warning   {target} is not written: its weights are NaN or infinite")
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.part{os.getpid()}")
        try:
            with partial.open("wb") as file:
                torch.save(checkpoint, file)
                file.flush()
                os.fsync(file.fileno())
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)

    def load_checkpoint(
        self, path: str | Path, map_location: Any = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read plain data only; a checkpoint that holds code is refused."""
        return read(path)


def read(path: str | Path) -> dict[str, Any]:
    """The contents of a checkpoint file, on the CPU.

    Raises:
        CheckpointError: missing, damaged, foreign, or of another format; one line says which.
    """
    file = Path(path)
    if file.is_dir():
        found = [*file.glob("*.ckpt"), *file.glob("checkpoints/*.ckpt")]
        newest = max(found, key=lambda path: path.name, default="the file of a checkpoint")
        raise CheckpointError(f"checkpoint {file} is a folder: give {newest}")
    if not file.is_file():
        raise CheckpointError(f"checkpoint {file} does not exist")
    try:
        check_sums(file)
        contents = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises a dozen unrelated types for damaged files
        kind = type(error).__name__
        raise CheckpointError(f"{file} is damaged, or it is not a checkpoint ({kind})") from error
    if not isinstance(contents, dict) or not isinstance(contents.get("pinn"), dict):
        raise CheckpointError(f"{file} was not written by this program: it has no 'pinn' entry")
    found = contents["pinn"].get("format")
    if found not in (*MIGRATIONS, FORMAT):
        raise CheckpointError(f"{file} has format {found}, this version reads up to {FORMAT}")
    return current(contents)


def check_sums(file: Path) -> None:
    """Hold the parts of a checkpoint against their check sums, which `torch.load` leaves alone.

    Raises:
        BadZipFile: a part has changed since it was written, or the file is none of torch's.
    """
    with zipfile.ZipFile(file) as archive:
        changed = archive.testzip()
    if changed is not None:
        raise zipfile.BadZipFile(changed)


def load(
    path: str | Path,
    problem: Problem | type[Problem] | None = None,
    network: Given | Mapping[str, Given] | None = None,
    allow_import: str | Sequence[str] = (),
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

    Raises:
        CheckpointError: the file is unusable, its weights do not fit, or a class is not found; the
            line says what to call.
        ValueError: a class may not be imported.
    """
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
    prefix = "solution."
    weights = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    own, trained = solution.state_dict(), dict(solution.named_parameters(remove_duplicate=False))
    name = type(solution.problem).__name__
    for key in own:
        if key not in weights:
            raise CheckpointError(
                f"{path} does not fit {name}: {key} {tuple(own[key].shape)} is not in the "
                "checkpoint: it is of another problem or network"
            )
        if weights[key].shape != own[key].shape:
            raise CheckpointError(
                f"{path} does not fit {name}: {key} has shape {tuple(weights[key].shape)} in the "
                f"checkpoint and {tuple(own[key].shape)} here: it is of "
                "a network of other sizes, or of another problem"
            )
    for key, value in weights.items():
        if key not in own:
            raise CheckpointError(
                f"{path} does not fit {name}: the checkpoint has {key} {tuple(value.shape)}, which "
                "is not here: it is of another problem or network"
            )
        if key in trained and not bool(value.isfinite().all()):  # a mask may be infinite
            count = int((~value.isfinite()).sum())
            raise CheckpointError(
                f"{path}: {count} of the {value.numel()} numbers of {key} are NaN or infinite: the "
                "run had diverged, take an earlier checkpoint"
            )
    solution.load_state_dict(weights)
