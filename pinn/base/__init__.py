"""What every package here may use: the console, processes, costs, how objects were made.

Nothing here knows physics or networks.

    console        what the program prints
    messages       values in error lines, the closest known name, the check of a count
    paths          what is there under a path that somebody typed
    processes      several processes: how many, sums, one answer for all
    presence       whether they are alive
    transfers      numbers between Python and a device, for which nobody waits
    costs          of an evaluation, counted; the memory of a device
    signals        SIGINT and SIGTERM end the program; `callbacks.interrupt` in a step
    first_process  which process speaks, as its launcher tells
    error_file     what torchrun reports of a process that has failed
    later          modules of other packages that run when something needs them
    heap           memory that was freed is kept for the next step
    extras         packages that only some uses need
    recipe         how an object was made, as plain data
    plain_values   arrays, tensors and paths as plain data
    kept_digits    buffers that keep their digits in lower precision
    context        values that hold within a `with` block
    unloaded_compiler  torch's compiler, left unloaded until something compiles
    torch_adapter  the only file that touches the inside of torch

May import: nothing of this package.
"""
