"""A registrar that agrees to everything, in a process of its own.

It answers a REGISTER with a challenge, and one with credentials with 200, whatever they say; what is no REGISTER comes
back unread. `null_registrar` runs the program in C where it can be built, and otherwise this module, which does the
same at a multiple of the cost: ``python -m benchmarks.null_registrar CPU``.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.programs import HERE, UnavailableError, built

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["REALM", "NullRegistrar", "answered", "null_registrar"]

REALM = "sip.titi.com"

_CHALLENGED = b"SIP/2.0 401 Unauthorized\r\n"
# Every nonce is another one, as those of real registrars are: it ends as the top Via does.
_NONCE = b'WWW-Authenticate: Digest realm="' + REALM.encode() + b'", nonce="b7c9036dbf357f7683f054aea940'
_OWN_PART = 16
_CHALLENGED_END = b'", algorithm=MD5, qop="auth"\r\nServer: null registrar\r\nContent-Length: 0\r\n\r\n'

_GRANTED = b"SIP/2.0 200 OK\r\n"
_GRANTED_END = (
    b"Expires: 3600\r\nSupported: path\r\n"
    b"Allow: REGISTER, OPTIONS, INVITE, ACK, CANCEL, BYE, SUBSCRIBE, NOTIFY, INFO, UPDATE, PRACK, MESSAGE\r\n"
    b"Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nServer: null registrar 1.0\r\nContent-Length: 0\r\n\r\n"
)
_TAG = b";tag=b27e1a1d33761e85846fc98f5f3a7e58.0503"
_SIZE = 4096
_COPIED = (b"from", b"to", b"call-id", b"cseq")
_COMPACT = {b"v": b"via", b"f": b"from", b"t": b"to", b"i": b"call-id", b"m": b"contact"}


def answered(request: bytes, seen: bytes) -> bytes:
    """The answer to a datagram.

    Args:
        request: The datagram.
        seen: Its source, as ``;received=192.0.2.7;rport=5060``.
    """
    if not request.startswith(b"REGISTER "):
        return request
    rows: dict[bytes, bytes] = {}
    for row in request.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]:
        name = row.partition(b":")[0].strip().lower()
        rows.setdefault(_COMPACT.get(name, name), row)
    if b";tag=" not in rows[b"to"].rpartition(b">")[2]:
        rows[b"to"] += _TAG
    copied = b"\r\n".join([rows[b"via"].replace(b";rport", seen, 1), *(rows[name] for name in _COPIED)])
    if b"authorization" not in rows:
        return b"%b%b\r\n%b%b%b" % (_CHALLENGED, copied, _NONCE, rows[b"via"][-_OWN_PART:], _CHALLENGED_END)
    contact = b"%b\r\n" % rows[b"contact"] if b"contact" in rows else b""
    return b"%b%b\r\n%b%b" % (_GRANTED, copied, contact, _GRANTED_END)


@dataclass(frozen=True, slots=True)
class NullRegistrar:
    """One that runs.

    Attributes:
        port: Its port on 127.0.0.1.
    """

    port: int
    _process: subprocess.Popen[bytes]

    @property
    def grants(self) -> int:
        """How often it has agreed so far."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(b"\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@contextmanager
def null_registrar(cpu: int = -1) -> Iterator[NullRegistrar]:
    """Run the registrar.

    Args:
        cpu: The CPU it is bound to, -1 for any.
    """
    texts = (_CHALLENGED, _NONCE, _CHALLENGED_END, _GRANTED, _GRANTED_END, _TAG)
    try:
        command = [str(built("null_registrar.c")), str(cpu), *(text.decode() for text in texts)]
    except UnavailableError:
        command = [sys.executable, "-m", "benchmarks.null_registrar", str(cpu)]
    with subprocess.Popen(command, cwd=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield NullRegistrar(int(process.stdout.readline()), process)
        finally:
            process.communicate()


def serve(sock: socket.socket) -> None:
    """Answer until standard input ends. The socket is drained, so that waiting costs little when much arrives."""
    sock.setblocking(False)
    sources: dict[tuple[str, int], bytes] = {}
    grants = 0
    while True:
        if sys.stdin in select.select([sock, sys.stdin], [], [])[0]:
            if not sys.stdin.readline():
                return
            print(grants, flush=True)
        with suppress(BlockingIOError):
            while True:
                request, source = sock.recvfrom(_SIZE)
                seen = sources.get(source)
                if seen is None:
                    seen = sources[source] = b";received=%b;rport=%d" % (source[0].encode(), source[1])
                answer = answered(request, seen)
                grants += answer.startswith(_GRANTED)
                sock.sendto(answer, source)


def main() -> None:
    cpu = int(sys.argv[1])
    if cpu >= 0:
        os.sched_setaffinity(0, {cpu})
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        # What arrives while it is not its turn on the CPU must not be lost: the clients would send it again.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        sock.bind(("127.0.0.1", 0))
        print(sock.getsockname()[1], flush=True)
        serve(sock)


if __name__ == "__main__":
    main()
