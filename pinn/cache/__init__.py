"""What is remembered, by which key, and when it is checked again.

Recorded graphs, chosen strategies and values prepared at points are all kept by one rule. A key
holds what the Python can read and the tensors given: where it changes, nothing old is used. A key
cannot see everything, so what is kept is also computed again by Python after 1, 2, 4, … uses, and
then regularly (`rechecks`).

A key sees attributes of modules, problems and the objects they hold, however deep and whatever
their name; their classes with class attributes and methods; and of functions written outside of
libraries their code, closures, defaults and the globals they name. It does not see what libraries
keep for themselves, files, and the network; where it meets an object that Python cannot look into,
nothing is kept. Where a re-check differs, the old value is dropped and a line says so.

    key              what Python may read besides the points: a changed global changes the key
    module_tree      modules of the library, compared at once with what was read of them
    reader           the walk through what Python may read
    code             functions and classes: their code and what it names
    tensor_contents  whether a tensor or an array is as it was
    kept_values      values at points, kept while the points stay the same
    states           the states of objects that recorded graphs are valid for
    rechecks         when a decision is checked again, and dropped
    tracing          whether Python runs for its numbers or is traced

May import: base.
"""
