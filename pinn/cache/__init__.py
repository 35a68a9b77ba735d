"""What is remembered, by one key, and when it is held against the Python again.

Recorded graphs, trusted strategies and values prepared at points are all kept by one rule:

    key       what the Python can read (`key`), and the tensors given (`kept_values`)
    re-check  against the Python after 1, 2, 4, … uses and then regularly, since a key cannot see
              everything (`trust`)

A key sees attributes of modules, problems and the objects they hold, however deep and whatever
their name; their classes with class attributes and methods; and of functions written outside of
libraries their code, closures, defaults and the globals they name. It does not see what libraries
keep for themselves, files, and the network; where it meets an object that Python cannot look into,
nothing is kept. Where a re-check differs, the old value is dropped and a line says so.

May import: base.
"""
