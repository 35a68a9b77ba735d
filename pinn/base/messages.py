"""What error lines share: values, the closest known name, the check of a count. Without torch."""

import difflib
from collections.abc import Iterable

LARGEST_SEED = 2**32 - 1  # that NumPy takes

LONGEST = 80  # characters of a value
LINE = 1_500  # characters of a whole line, whatever it echoes


def echo(value: object) -> str:
    """A value as a message names it, `repr` cut to a length that can be read."""
    try:
        return cut(repr(value))
    except ValueError:  # Python writes no whole number of more than 4,300 digits
        return f"a number of {value.bit_length()} bits" if isinstance(value, int) else "a value"


def cut(text: object, most: int = LONGEST) -> str:
    """A text without its middle where it is long; it says how much is left out."""
    whole = str(text)
    if len(whole) <= most:
        return whole
    return f"{whole[: most * 2 // 3]}…{whole[-most // 6 :]} ({len(whole)} characters)"


def nearest(name: object, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known name that an unknown one was probably meant to be; None if there is none.

    Args:
        name: the unknown name.
        known: those that exist.
        cutoff: how alike the two have to be, from 0 to 1.
    """
    close = difflib.get_close_matches(str(name), list(known), n=5, cutoff=cutoff)
    # Two letters exchanged are the commonest slip: the same letters count, whatever their order.
    return max(close, key=lambda other: likeness(str(name), other), default=None)


def near_miss(name: object, known: Iterable[str]) -> str:
    """The end of an error line about an unknown name: the closest known one, and all of them."""
    names = list(known)
    best = nearest(name, names)
    hint = f"did you mean {best!r}? " if best else ""
    return f"{hint}known: {', '.join(names)}"


def one_of(what: str, name: object, known: Iterable[str]) -> None:
    """Refuse a name that is not known.

    Args:
        what: what it names, such as `strategy`.
        name: the name.
        known: those that exist.

    Raises:
        ValueError: it is none of them; the line suggests the closest.
    """
    check_name(name, known, f"unknown {what} {echo(name)}")


def check_name(
    name: object, known: Iterable[str], line: str, error: type[Exception] = ValueError
) -> None:
    """Refuse a name that is not known, with a line that ends with the closest and all known ones.

    Raises:
        ValueError: it is not known; or the error that is given.
    """
    names = list(known)
    if name not in names:
        raise error(f"{line}: {near_miss(name, names)}")


def likeness(one: str, other: str) -> float:
    """How alike two names are, by the sequence of their letters and by the letters alone."""
    matcher = difflib.SequenceMatcher(None, one, other)
    return matcher.ratio() + matcher.quick_ratio()


def whole(name: str, value: object, least: int = 1, most: int = 10**8) -> int:
    """A count, such as a number of points or units.

    Raises:
        ValueError: it is no whole number, or out of range.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        shown = "null" if value is None else echo(value)
        raise ValueError(f"{name} is {shown}: expected a whole number, at least {least}")
    if not least <= value <= most:
        limit = f"at least {least}" if value < least else f"at most {most}"
        raise ValueError(f"{name} is {echo(value)}: expected {limit}")
    return value
