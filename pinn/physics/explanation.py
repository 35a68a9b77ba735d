"""From an error in a user's own code to one line in the user's words, with the line it is in."""

import linecache
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import torch

import pinn
from pinn.algebra.series import MissingDerivativeError

# What is not the user's: this package, but for the problems in it, and what it is built on.
LIBRARIES = tuple(
    str(path) for path in (Path(torch.__file__).parent, Path(re.__file__).parent.parent)
)
INSTALLED = str(Path(torch.__file__).parent.parent)  # packages beside torch: only where no other is
OURS = str(Path(pinn.__file__).parent)
EXAMPLES = str(Path(OURS) / "problems")

# The text of an error of Python or torch, and what it means to somebody who writes a problem.
WORDS: tuple[tuple[str, str], ...] = (
    (
        r"does not require grad|appears to not have been used in the graph",
        "torch.autograd does not see the coordinates of a field: write partial(u, 'x'), grad(u), "
        "dt(u) or laplacian(u)",
    ),
    (
        r"Can't call numpy\(\) on Tensor that requires grad",
        "a function of NumPy is given a parameter or a trained tensor, which it would cut off from "
        "training: use torch's, such as torch.exp(self.k) for np.exp(self.k)",
    ),
    (
        r"(maximum|minimum|where|heaviside)\(\).*(?:must be Tensor, not|invalid combination of)",
        "torch.{0} takes no plain number or tuple there: use {0} from pinn, or a field",
    ),
    (
        r"expected m1 and m2 to have the same dtype|expected scalar type|must have the same dtype"
        r"|self and mat2 must have the same dtype|same dtype",
        "tensors of two precisions meet: keep a tensor as an attribute of the problem "
        "(self.table = …), which follows the precision of the phase",
    ),
    (
        r"mat1 and mat2 shapes cannot be multiplied \((\S+) and (\S+)\)",
        "a layer is given rows of shape {0} and has weights of shape {1}: a network takes "
        "columns, such as at (N, D) or at[:, :1], not x (N,)",
    ),
    (
        r"got (?:multiple values|an unexpected keyword)|missing \d+ required|takes \d+ positional",
        "a function is called with the wrong arguments: {text}",
    ),
)


class ProblemError(ValueError):
    """A mistake in the code of a problem, in one line that names the method and the line."""


@contextmanager
def calling(what: str) -> Iterator[None]:
    """Run a user's own code; what it raises comes back as one line.

    Args:
        what: whose code it is, such as `residual 'momentum'`.

    Raises:
        ProblemError: it raised; the line has the place in the user's file.
        MissingDerivativeError: as it is, since who called may have more derivatives.
    """
    try:
        yield
    except (ProblemError, MissingDerivativeError):
        raise
    except Exception as error:
        raise ProblemError(f"{what}{place(error.__traceback__)}: {in_words(error)}") from error


def in_words(error: BaseException) -> str:
    """What an error means, on one line."""
    text = " ".join(str(error).split()) or type(error).__name__
    for pattern, words in WORDS:
        if match := re.search(pattern, text):
            return words.format(*match.groups(), text=text)
    bare = isinstance(error, LookupError | ArithmeticError | AttributeError | NameError)
    own = text.startswith("no such component")
    return f"{type(error).__name__}: {text}" if bare and not own else text


def place(trace: TracebackType | None) -> str:
    """The innermost line of the user's own code, as ` (file, line 3: text)`; empty without one."""
    innermost = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        if not (innermost and code.co_filename.startswith(INSTALLED)):
            innermost = where(code.co_filename, trace.tb_lineno) or innermost
        trace = trace.tb_next
    return f" ({innermost})" if innermost else ""


def where(file: str, line: int) -> str:
    """A line of the user's own code, as `file, line 3: text`; empty for anybody else's."""
    if file.startswith(LIBRARIES) or (file.startswith(OURS) and not file.startswith(EXAMPLES)):
        return ""
    text = " ".join(linecache.getline(file, line).split())
    return f"{Path(file).name}, line {line}" + (f": {text}" if text else "")
