"""What every package here may use: the console, processes, costs, how objects were made.

Nothing here knows physics or networks.

    console        what the program prints
    messages       the closest known name, the check of a count
    processes      several processes: how many, sums, one answer for all
    costs          of an evaluation, counted; the memory of a device
    recipe         how an object was made, as plain data
    kept_digits    buffers that keep their digits in lower precision
    context        values that hold within a `with` block
    torch_adapter  the only file that touches the inside of torch

May import: nothing of this package.
"""
