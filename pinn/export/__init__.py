"""File formats: CSV, npz and xarray tables, VTK for ParaView, ONNX.

A new format goes here; `solution` calls it with what is to be written.

    tables          CSV, npz, xarray
    vtk             files for ParaView
    onnx            a program in ONNX
    program_checks  what every exported program is held to

May import: geometry, base.
"""
