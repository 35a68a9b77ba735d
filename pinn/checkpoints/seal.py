"""The seal of a checkpoint file: a hash of all its other bytes, verified before it is read.

    pinn-checkpoint format=3 pinn=0.1.0 torch=2.13.0 sha256=<64 digits>

It is the comment that may end a zip archive, so torch and other programs read the file as ever. It
tells damage; it is no protection from someone who writes a file and its hash on purpose.
"""

import hashlib
import io
import os
import re
from pathlib import Path
from typing import NamedTuple

import torch

from pinn import __version__
from pinn.checkpoints.migrations import FORMAT
from pinn.checkpoints.revival import CheckpointError

TEXT = "pinn-checkpoint format={} pinn={} torch={} sha256="
SEAL = re.compile(rb"pinn-checkpoint format=(\d+) pinn=(\S+) torch=(\S+) sha256=([0-9a-f]{64})")
DIGITS, LONGEST = 64, 512
RECORD, MARK = 22, b"PK\x05\x06"  # the record that ends an archive without a comment


class Seal(NamedTuple):
    """What wrote a file."""

    format: int
    pinn: str
    torch: str


def versions() -> dict[str, str]:
    """What writes a checkpoint now."""
    return {"pinn": __version__, "torch": str(torch.__version__)}


def seal(file: io.BufferedRandom) -> None:
    """Add the seal to an archive that is written, open for reading and writing."""
    text = TEXT.format(FORMAT, *versions().values()).encode()
    file.seek(-RECORD, os.SEEK_END)
    if file.read(len(MARK)) == MARK:
        file.seek(-2, os.SEEK_END)
        file.write((len(text) + DIGITS).to_bytes(2, "little"))
    file.seek(0, os.SEEK_END)
    file.write(text)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    file.seek(0, os.SEEK_END)
    file.write(digest.encode())


def verified(path: Path) -> Seal | None:
    """The seal of a file whose bytes fit it; None where the file ends without one.

    Raises:
        CheckpointError: a byte of the file has changed since it was written.
    """
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - LONGEST))
        match = re.search(SEAL.pattern + rb"\Z", file.read())
        if match is None:
            return None
        file.seek(0)
        digest = hashlib.sha256()
        left = size - DIGITS
        while part := file.read(min(left, 1 << 20)):
            digest.update(part)
            left -= len(part)
    if digest.hexdigest() != match[4].decode():
        raise CheckpointError(
            f"{path} is damaged: its bytes do not fit the hash at its end: take another checkpoint"
        )
    number, own, torchs = (match[k].decode(errors="replace") for k in (1, 2, 3))
    return Seal(int(number), own, torchs)
