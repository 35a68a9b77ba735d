"""File formats: CSV, npz and xarray tables, VTK for ParaView, ONNX.

A new format goes here. What is written into it comes from `solution`.

May import: geometry, base.
"""
