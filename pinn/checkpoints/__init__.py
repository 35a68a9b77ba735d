"""The checkpoint file: its format and version, what it holds, and how a solution is made from it.

A new entry of the format, or a migration of old files, goes here.

    file        reading, and the solution in a checkpoint
    writing     a file appears whole or not at all; a full disk stops no run
    names       the names of files, in the order of their steps
    contents    what has to stand in it, entry by entry
    states      buffers, and the extra state of modules
    seal        the hash that ends a file, and the versions that wrote it
    migrations  old names of settings, keys and classes
    revival     problem and networks made again

May import: solution, physics, networks, geometry, base.
"""
