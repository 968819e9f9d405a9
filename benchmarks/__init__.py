"""What a registration costs, measured: ``make bench``, or ``python -m benchmarks --help``.

Each module but the helpers is a subject: ``measured(effort)`` gives its figures. Every figure is CPU time (user and
system) of the process that does the work, with wall time beside it; what counts is its ratio to a limit, such as a
bare ``bytes.split`` of the same message, that was measured in the same run.
"""
