"""The ways to differentiate a function at points, each the others' oracle."""
