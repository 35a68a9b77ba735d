"""The checkpoint file: its format and version, what it holds, and how a solution is made from it.

A new entry of the format, or a migration of old files, goes here.

May import: solution, physics, networks, base.
"""
