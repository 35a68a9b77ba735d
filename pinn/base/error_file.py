"""The file from which torchrun takes what a process of it says about its end.

Without it the report of torchrun has a link to its documentation in that place.
"""

import contextlib
import json
import os
import time
from pathlib import Path


def record(line: str) -> None:
    """Let torchrun report a line for this process; nothing where torchrun has not started it.

    The form is that of `ErrorHandler` in `torch.distributed.elastic.multiprocessing.errors`, which
    writes a whole traceback and takes seconds to load.
    """
    file = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if file is None or Path(file).exists():  # the first line is the cause
        return
    extra = {"py_callstack": line, "timestamp": str(int(time.time()))}
    with contextlib.suppress(OSError):
        Path(file).write_text(json.dumps({"message": {"message": line, "extraInfo": extra}}))
