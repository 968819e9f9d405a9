"""TLS as octets, seen from the server. No I/O here.

The transports of asyncio make their handshake before anybody can break it, or lose what came before ``start_tls`` on
uvloop; here the octets pass through the hands of the connection.
"""

from __future__ import annotations

import contextlib
import ssl

__all__ = ["TlsLayer"]


class TlsLayer:
    """What lies between the octets of a connection and those of its messages.

    Attributes:
        ended: Whether the peer said goodbye, or the handshake failed; the connection must be closed.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        """Wait for the handshake.

        Args:
            context: With a certificate.
        """
        self.ended = False
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_open = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take octets as they arrive.

        Args:
            data: The octets, in any portions.

        Returns:
            What they say, and what TLS itself has to send: its part of the handshake, or an alert.
        """
        self._incoming.write(data)
        plain = b""
        try:
            if not self._is_open:
                self._tls.do_handshake()
                self._is_open = True
            while portion := self._tls.read(65_536):
                plain += portion
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            # Whatever one side dislikes about the other is the client's to tell.
            self.ended = True
        return plain, self._outgoing.read()

    def wrap(self, data: bytes) -> bytes:
        """The octets that say this; none before the handshake is done."""
        while data and self._is_open:
            # One record at most is taken at a time.
            data = data[self._tls.write(data) :]
        return self._outgoing.read()

    def farewell(self) -> bytes:
        """What is sent before the connection is closed in good order."""
        if self._is_open:
            with contextlib.suppress(ssl.SSLError):
                self._tls.unwrap()
        return self._outgoing.read()
