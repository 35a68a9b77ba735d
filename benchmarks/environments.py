"""One virtual environment per peer, made when it is first needed, with pinned requirements."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).parent / ".environments"

# On a machine without CUDA the CPU build of torch is meant; its index is the user's pip setting.
TORCH = "torch==2.13.0"
REQUIREMENTS: dict[str, tuple[str, ...]] = {
    "deepxde": (TORCH, "deepxde==1.15.0", "numpy==2.4.6", "scipy==1.17.1"),
    "pina": (TORCH, "pina-mathlab==0.3.2.post2610", "lightning==2.6.6", "numpy==2.4.6"),
    "torchphysics": (TORCH, "torchphysics==1.1.2", "pytorch-lightning==2.6.6", "numpy==1.26.4"),
    "neurodiffeq": (TORCH, "neurodiffeq==0.7.0", "numpy==2.4.6"),
    # It imports tqdm, which it does not ask for.
    "flow_matching": (TORCH, "flow_matching==1.0.10", "torchdiffeq==0.2.5", "tqdm==4.70.1"),
    "fastlsq": (TORCH, "fastlsq==0.7.1", "numpy==2.4.6"),
    "zuko": (TORCH, "zuko==1.6.0", "numpy==2.4.6"),
    "folx": ("jax==0.10.2", "jaxlib==0.10.2", "folx==0.2.30", "optax==0.2.8", "numpy==2.4.6"),
}
OWN = "own"  # the environment that runs the harness


class EnvironmentMissingError(RuntimeError):
    """A peer's environment cannot be made."""


def interpreter(peer: str) -> Path:
    """The Python of a peer's environment, which is made if it is missing or out of date.

    Raises:
        EnvironmentMissingError: it cannot be made; one line says why.
    """
    if peer == OWN:
        return Path(sys.executable)
    folder = FOLDER / peer
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    wanted = "\n".join(REQUIREMENTS[peer]) + "\n"
    done = folder / "requirements.txt"  # written last: a broken-off attempt has none
    if not done.exists() or done.read_text(encoding="utf-8") != wanted:
        print(f"making the environment of {peer}", file=sys.stderr, flush=True)
        run(peer, sys.executable, "-m", "venv", "--clear", str(folder))
        run(peer, str(python), "-m", "pip", "install", "--quiet", *REQUIREMENTS[peer])
        done.write_text(wanted, encoding="utf-8")
    return python


def run(peer: str, *command: str) -> None:
    """Run a command that makes an environment.

    Raises:
        EnvironmentMissingError: it failed.
    """
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentMissingError(f"no environment for {peer}: {error}") from error
    if result.returncode:
        lines = [line for line in result.stderr.splitlines() if line.startswith("ERROR")]
        reason = (lines or result.stderr.splitlines() or ["no message"])[-1]
        raise EnvironmentMissingError(f"no environment for {peer}: {reason}")


if __name__ == "__main__":
    for name in sys.argv[1:] or REQUIREMENTS:
        try:
            interpreter(name)
        except EnvironmentMissingError as error:
            print(error, file=sys.stderr)
