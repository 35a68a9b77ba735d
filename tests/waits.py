"""Counts where a step would wait for a GPU, on a machine without one."""

import traceback
from collections import Counter
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.weak import WeakTensorKeyDictionary

from pinn.base.torch_adapter import tensors_in

READS = (
    "aten._local_scalar_dense",
    "aten.equal",
    "aten.is_nonzero",
    "aten.nonzero",
    "aten.masked_select",
    "aten._unique",
    "aten.unique",
    "aten.repeat_interleave.Tensor",
)
TO_PYTHON = {Tensor.tolist, Tensor.numpy, Tensor.cpu}
FROM_PYTHON = {torch.tensor, torch.as_tensor, Tensor.new_tensor}

# The first goes by the clock, the second looks at the numbers of tensors on a CPU only.
ELSEWHERE = ("progress.py:loss_of", "tensor_contents.py:contents")


class Waits:
    """What would wait within it, by name and place.

    Every tensor counts as one on a GPU, but those that Python makes without naming a device, and
    what follows from those alone; and where tensors are on a device, only those on it.
    """

    def __init__(self, hosted=(), device="cpu"):
        self.device, self.paused = device, False
        self.counted = Counter()
        self.hosted = WeakTensorKeyDictionary()
        for tensor in hosted:
            self.hosted[tensor] = True

    def __enter__(self):
        self.modes = Operations(self), Calls(self)
        for mode in self.modes:
            mode.__enter__()
        return self

    def __exit__(self, *error):
        for mode in reversed(self.modes):
            mode.__exit__(*error)

    def note(self, name):
        own = "/pinn/", "/torch/optim/lbfgs"
        frames = [f for f in traceback.extract_stack() if any(part in f.filename for part in own)]
        place = f"{frames[-1].filename.rpartition('/')[2]}:{frames[-1].name}" if frames else "?"
        if not self.paused and place not in ELSEWHERE:
            self.counted[f"{name} in {place}"] += 1

    def is_there(self, tensor):
        """Whether a tensor counts as one on the GPU."""
        return tensor.device.type == self.device and tensor not in self.hosted

    @contextmanager
    def allowed(self):
        """Within it, nothing counts."""
        before, self.paused = self.paused, True
        yield
        self.paused = before


class Operations(TorchDispatchMode):
    def __init__(self, waits):
        super().__init__()
        self.waits = waits

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        waits, given = self.waits, tensors_in([args, kwargs or {}])
        there = any(waits.is_there(t) for t in given)
        if there and str(func).startswith(READS):
            waits.note(str(func))
        masks = any(t.dtype in (torch.bool, torch.uint8) for t in given)
        if there and masks and str(func).startswith(("aten.index.", "aten.index_put")):
            waits.note(f"{func} by a mask")
        result = func(*args, **(kwargs or {}))
        made = tensors_in([result])
        if len({t.device.type for t in (*filter(Tensor.dim, given), *made)}) > 1:
            waits.note(f"{func} between devices")
        if given and not there:
            for tensor in made:
                waits.hosted[tensor] = True
        return result


class Calls(TorchFunctionMode):
    def __init__(self, waits):
        super().__init__()
        self.waits = waits

    def __torch_function__(self, func, types, args=(), kwargs=None):
        waits, kwargs = self.waits, kwargs or {}
        if func in TO_PYTHON and waits.is_there(args[0]):
            waits.note(func.__name__)
        if func in FROM_PYTHON:
            if kwargs.get("device") not in (None, "cpu") or func is Tensor.new_tensor:
                waits.note(func.__name__)
            else:
                with waits.allowed():
                    result = func(*args, **kwargs)
                waits.hosted[result] = True
                return result
        return func(*args, **kwargs)
