"""Contexts for a registrar on 127.0.0.1 and for its clients."""

from __future__ import annotations

import ssl
import tempfile
from functools import cache
from pathlib import Path

from tests.certificates import authority


@cache
def server_context() -> ssl.SSLContext:
    """For a server with a certificate for 127.0.0.1 and localhost."""
    with tempfile.TemporaryDirectory() as directory:
        return authority().issue(dns=["localhost"], addresses=["127.0.0.1"]).context(Path(directory))


@cache
def client_context() -> ssl.SSLContext:
    """For a client that trusts that certificate."""
    return ssl.create_default_context(cadata=authority().pem)
