"""Real liblinphone and our client at the same scripted servers: ``python -m benchmarks.side_by_side``.

Each server is an `aiosipreg.testing.Registrar` with a script, in real time and on a port of its own. Each client is a
process of its own with one account, at its defaults; both are started, told things and read in the same way. What the
servers saw and what the clients said goes into one table.
"""
