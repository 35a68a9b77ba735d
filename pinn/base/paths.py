"""Paths that somebody typed: they may be too long, a folder, a device, or nothing at all."""

import os
import tempfile
from pathlib import Path


def is_file(path: str | Path) -> bool:
    """Whether there is an ordinary file; False for what no file system can name."""
    return unreadable(path) is None


def unreadable(path: str | Path) -> str | None:
    """Why a path is no file that can be read to its end, as the end of a line; None if it is one.

    A device or a pipe is none: it may have no end, or nobody who writes into it.
    """
    try:
        if Path(path).is_dir():
            return "is a folder"
        if Path(path).is_file():
            return None
        return "is no ordinary file" if Path(path).exists() else "does not exist"
    except ValueError:
        return "is no path"
    except OSError as error:
        return f"cannot be read: {error.strerror}"


def unmakeable(folder: str | Path) -> str | None:
    """Why a folder cannot be made, as the end of a line; None if it can, or is there.

    Nothing is left: what is tried is a folder of another name in the lowest one that exists.
    """
    try:
        there = next(place for place in (Path(folder), *Path(folder).parents) if place.exists())
        os.rmdir(tempfile.mkdtemp(prefix=".try", dir=there))
    except ValueError:
        return "is no path"
    except OSError as error:
        return f"cannot hold the folder of a run: {error.strerror}"
    return None
