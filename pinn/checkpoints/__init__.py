"""The checkpoint file: its format and version, what it holds, and how a solution is made from it.

A new entry of the format, or a migration of old files, goes here.

    file        writing, reading, and what a checkpoint holds
    migrations  old names of settings, keys and classes
    revival     problem and networks made again

May import: solution, physics, networks, base.
"""
