"""A program in ONNX: one input, `points`, and one output per name; all digits of float64 kept."""

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from pinn.base.extras import needed
from pinn.export.program_checks import Expected, ExportError, first_line, quietly

aten = torch.ops.aten
PACKAGES = ("onnx", "onnxscript")
MISSING = re.compile(r"No ONNX function found for <OpOverload\(op='([^']+)'")
LACKING = re.compile(r"Could not find an implementation for (\w+)\(")


def require() -> None:
    """Say what to install.

    Raises:
        ModuleNotFoundError: a package is not installed.
    """
    for package in PACKAGES:
        needed(package, "ONNX", "onnx onnxscript")


def atan2(y: Tensor, x: Tensor) -> Tensor:
    """The angle of (x, y), from one in single precision, a:

        a − angle of (x, y) = δ,   tan δ = (x sin a − y cos a)/(x cos a + y sin a);

    an error of δ³/3 is left.
    """
    x, y = torch.broadcast_tensors(x, y)
    length = torch.maximum(x.abs(), y.abs())  # neither too small nor too large for what follows
    length = torch.where(length == 0, torch.ones_like(length), length)
    x, y = x / length, y / length
    a = torch.atan2(y.float(), x.float()).double()
    sin, cos = torch.sin(a), torch.cos(a)
    along = x * cos + y * sin
    along = torch.where(along == 0, torch.ones_like(along), along)
    return a - (x * sin - y * cos) / along


# onnxruntime has these in single precision alone, or ONNX rounds their numbers to it.
FORMULAS: dict[Any, Callable[..., Tensor]] = {
    aten.atan.default: lambda x: atan2(x, torch.ones_like(x)),
    aten.atan2.default: atan2,
    aten.acos.default: lambda x: atan2(torch.sqrt((1 - x) * (1 + x)), x),
    aten.asin.default: lambda x: atan2(x, torch.sqrt((1 - x) * (1 + x))),
    aten.tan.default: lambda x: torch.sin(x) / torch.cos(x),
    aten.sinh.default: lambda x: (torch.exp(x) - torch.exp(-x)) / 2,
    aten.cosh.default: lambda x: (torch.exp(x) + torch.exp(-x)) / 2,
    aten.full_like.default: lambda x, value, **how: torch.ones_like(x, **how) * as_tensor(value),
}
# ONNX rounds a Python number beside these to single precision, and leaves a tensor alone.
ROUNDED = {
    *(aten.add, aten.sub, aten.rsub, aten.mul, aten.div, aten.remainder, aten.where, aten.clamp),
    *(aten.ge, aten.gt, aten.le, aten.lt, aten.eq, aten.ne, aten.maximum, aten.minimum),
}


def as_tensor(value: Any) -> Any:
    """A number as a tensor in double precision; anything else as it is."""
    return torch.tensor(value, dtype=torch.float64) if isinstance(value, float) else value


class InDouble(fx.Interpreter):
    """The operations of a program, in forms that ONNX keeps in double precision."""

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """One operation."""
        inner = next((k for k, each in enumerate(args) if isinstance(each, fx.GraphModule)), None)
        if inner is not None:  # operations in a block of their own, without autocast for instance
            return InDouble(args[inner]).run(*args[inner + 1 :])
        if target in FORMULAS:
            return FORMULAS[target](*args, **kwargs)
        packet: Any = getattr(target, "overloadpacket", None)
        if packet in ROUNDED or target is aten.pow.Scalar:
            values = {name: as_tensor(v) for name, v in kwargs.items()}
            return packet(*map(as_tensor, args), **values)
        return super().call_function(target, args, kwargs)


class Rewritten(nn.Module):
    """A program in these forms."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__()
        self.module = module

    def forward(self, points: Tensor) -> Any:
        """The values at points (N, D)."""
        return InDouble(self.module).run(points)


def write(exported: torch.export.ExportedProgram, path: Path, expected: Expected) -> None:
    """Write a program as ONNX, once it is held against the solution.

    Raises:
        ExportError: an operation has no ONNX counterpart, or the numbers are others.
    """
    points, values = expected.cases[-1]
    try:
        with quietly():
            if points.dtype == torch.float64:
                module = Rewritten(exported.module(check_guards=False))
                shapes = {"points": {0: torch.export.Dim("n", min=1)}}
                exported = torch.export.export(module, (points,), dynamic_shapes=shapes)
            made: Any = torch.onnx.export(
                exported,
                (points,),
                input_names=["points"],
                output_names=list(values),
                dynamo=True,
                verbose=False,
            )
    except Exception as error:  # torch.onnx has errors of its own for every stage
        reason = MISSING.search(str(error))
        text = f"{reason[1]} has no counterpart in ONNX" if reason else first_line(error)
        raise ExportError(f"{text}: write a .pt2 file") from error
    data = made.model_proto.SerializeToString()
    hold(data, expected)
    path.write_bytes(data)


def hold(data: bytes, expected: Expected) -> None:
    """Hold a program in ONNX against the solution, where onnxruntime is installed.

    Raises:
        ExportError: it lacks an operation, or gives other numbers.
    """
    try:
        runtime: Any = import_module("onnxruntime")
    except ModuleNotFoundError:
        return
    points, values = expected.cases[-1]
    precision = str(points.dtype).removeprefix("torch.")
    cure = "write a .pt2 file"
    if precision == "float64":
        cure += ", or export a copy in float32, copy.deepcopy(solution).float()"

    def run(points: Tensor) -> dict[str, Tensor]:
        outputs = session.run(list(values), {"points": points.numpy(force=True)})
        return dict(zip(values, map(torch.from_numpy, outputs), strict=True))

    try:
        session = runtime.InferenceSession(data, providers=["CPUExecutionProvider"])
        expected.hold(run, "onnxruntime")
    except ExportError as error:
        raise ExportError(f"{error}: {cure}") from error
    except Exception as error:  # onnxruntime's own errors, without a common base
        lacking = LACKING.search(str(error))
        reason = f"has no {lacking[1]} in {precision}" if lacking else f"says: {first_line(error)}"
        raise ExportError(f"onnxruntime {reason}: {cure}") from error
