"""Ports for tests that must name one before anybody listens there, or that need one where nobody does."""

from __future__ import annotations

import contextlib
import random
import socket

# Below what systems give to whoever binds to port 0 (32768 and up on Linux, 49152 elsewhere): a port from up there
# may be given to the next server of the same test.
RANGE = range(20_000, 32_000)


def free_port(host: str = "127.0.0.1") -> int:
    """A port of an address that is free for both UDP and TCP, and stays so: nobody gets it without asking for it."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for port in random.sample(RANGE, 100):
        with (
            contextlib.suppress(OSError),
            socket.socket(family, socket.SOCK_STREAM) as stream,
            socket.socket(family, socket.SOCK_DGRAM) as datagram,
        ):
            stream.bind((host, port))
            datagram.bind((host, port))
            return port
    raise RuntimeError(f"no port of {host} is free for UDP and TCP")
