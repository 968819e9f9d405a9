"""The protocol as machines and pure functions (floor 2).

Time comes in as ``now``, randomness as a ``random.Random``; nothing here does I/O.
"""
