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


class MissingFileError(ValueError):
    """A file of data that is not where it was looked for."""


# Where else files of data are looked for: beside the configurations of a command line.
FOLDERS: list[Path] = []


def located(path: str | Path, beside: Path | None = None, title: str = "") -> Path:
    """The file that a path names: in the working folder, else beside the file that names it.

    Args:
        path: a relative path, or an absolute one.
        beside: the folder of the Python file that names it; configurations are in `FOLDERS`.
        title: what the file is for, in messages.

    Raises:
        MissingFileError: there is none; the line says where it was looked for.
        ValueError: it is in two of these folders, with different contents.
    """
    given = Path(path).expanduser()
    folders = [Path.cwd(), *([] if beside is None else [beside]), *FOLDERS]
    folders = list(dict.fromkeys(folder.resolve() for folder in folders))
    places = [given] if given.is_absolute() else [folder / given for folder in folders]
    there = [place for place in places if is_file(place)]
    head = f"{title}: {path}" if title else str(path)
    if not there:
        why = unreadable(places[0])
        if why != "does not exist" or given.is_absolute():
            raise MissingFileError(f"{head} {why}")
        where = " and ".join(str(folder) for folder in folders)
        raise MissingFileError(f"{head} does not exist: looked for it in {where}")
    for other in there[1:]:
        if not other.samefile(there[0]) and other.read_bytes() != there[0].read_bytes():
            raise ValueError(
                f"{head} is in {there[0].parent} and in {other.parent}, with other contents: give "
                "the whole path of one"
            )
    return there[0]
