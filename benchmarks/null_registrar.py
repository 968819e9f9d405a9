"""A registrar that agrees to everything, in a process of its own: ``python -m benchmarks.null_registrar``.

It answers the first REGISTER with a challenge and one with credentials with 200, by templates into which the rows of
the request are cut, and sends back unread whatever else comes. The rows are expected in the order in which this
package writes them. It prints its port, and ends when its standard input does.
"""

from __future__ import annotations

import os
import select
import socket
import sys
from contextlib import suppress

__all__ = ["NONCE", "REALM", "answered"]

REALM = "sip.titi.com"
NONCE = "b7c9036dbf357f7683f054aea940e9703dc8f84c1108"

_CHALLENGE = (
    b"SIP/2.0 401 Unauthorized\r\n%b%b;tag=b27e1a1d33761e85846fc98f5f3a7e58.0503\r\n%b\r\n"
    b'WWW-Authenticate: Digest realm="' + REALM.encode() + b'", nonce="' + NONCE.encode() + b'", '
    b'algorithm=MD5, qop="auth"\r\n'
    b"Server: null registrar\r\nContent-Length: 0\r\n\r\n"
)
_GRANT = (
    b"SIP/2.0 200 OK\r\n%b%b;tag=b27e1a1d33761e85846fc98f5f3a7e58.0503\r\n%b\r\n%b\r\n"
    b"Expires: 3600\r\nSupported: path\r\n"
    b"Allow: REGISTER, OPTIONS, INVITE, ACK, CANCEL, BYE, SUBSCRIBE, NOTIFY, INFO, UPDATE, PRACK, MESSAGE\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: null registrar 1.0\r\nContent-Length: 0\r\n\r\n"
)
_SIZE = 4096


def answered(request: bytes, seen: bytes) -> bytes:
    """The answer to a datagram.

    Args:
        request: The datagram.
        seen: Its source, as ``;received=192.0.2.7;rport=5060``.
    """
    if not request.startswith(b"REGISTER "):
        return request
    start = request.index(b"Via: ")
    via = request[start : request.index(b"Max-Forwards: ", start)].replace(b";rport", seen, 1)
    start = request.index(b"From: ", start)
    to_end = request.index(b"\r\nCall-ID: ", start)
    ids_end = request.index(b"\r\nContact: ", to_end)
    parties, ids = request[start:to_end], request[to_end + 2 : ids_end]
    if b"\r\nAuthorization: " not in request:
        return _CHALLENGE % (via, parties, ids)
    contact = request[ids_end + 2 : request.index(b"\r\n", ids_end + 2)]
    return _GRANT % (via, parties, ids, contact)


def serve(sock: socket.socket) -> None:
    """Answer until standard input ends. The socket is drained, so that waiting costs little when much arrives."""
    sock.setblocking(False)
    sources: dict[tuple[str, int], bytes] = {}
    while sys.stdin not in select.select([sock, sys.stdin], [], [])[0]:
        with suppress(BlockingIOError):
            while True:
                request, source = sock.recvfrom(_SIZE)
                seen = sources.get(source)
                if seen is None:
                    seen = sources[source] = b";received=%b;rport=%d" % (source[0].encode(), source[1])
                sock.sendto(answered(request, seen), source)


def main() -> None:
    if len(sys.argv) > 1:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # What arrives while it is not its turn on the CPU must not be lost: the clients would send it again.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind(("127.0.0.1", 0))
        print(sock.getsockname()[1], flush=True)
        serve(sock)


if __name__ == "__main__":
    main()
