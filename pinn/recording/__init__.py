"""Functions of tensors recorded below autograd as programs, and handed to the compiler.

    tape       the operations of a function, written down while they run
    exits      the ways in which values leave torch unseen, each refused
    recording  a function recorded as a program
    pair       a function and its gradient as two programs
    tanh       tanh for the compiler of a CPU

May import: base.
"""
