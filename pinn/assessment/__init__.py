"""How good a solution is: errors, residuals off the points, mass balance, figures.

A new score or a new figure goes here.

    scores        errors, residuals and divergence off the training points
    norms         of errors and residuals
    mass_balance  what flows into a box and does not leave it
    inner_boxes   wholly inside a shape
    low_loss      a loss that is low while the solution is wrong
    figures       the fields beside the reference
    curves        a field along a line
    streamlines   of a velocity in the plane
    scattered     a reference at scattered points
    outline       of a shape in a section
    patch_map     the boxes of patches
    grid_section  the part of a grid that a figure shows
    canvas        panels, maps and colour bars
    scales        how values become colours and labels

May import: objective, solution, physics, fields, geometry, base.
"""
