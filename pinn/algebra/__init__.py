"""Truncated Taylor arithmetic: channels, series, jets, and a rule for each torch function.

A derivative rule for a torch function goes into `rules`.

May import: base.
"""
