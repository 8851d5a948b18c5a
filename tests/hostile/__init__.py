"""Exports through the real operators, on a service that behaves as no document excludes, with kills and retries.

``make hostile`` plays 200 cases; ``make hostile SEED=n CASE=k`` plays one of them again.

| file | content |
|---|---|
| `cases` | what happens in a case: a function of seed and number |
| `pipeline` | one try of the pipeline, in a process that may be killed |
| `play` | starts, kills and retries the runs of a case |
| `verdict` | what must hold afterwards |
| `x_capture`, `x_search`, `x` | half hours of a stream and searches of X, and the program that plays them |
"""
