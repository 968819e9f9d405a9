"""The null registrar behind TCP or TLS, in Python: ``python -m benchmarks.stream_registrar TRANSPORT CPU DIRECTORY``.

It answers what has come in with one piece of its own, and so costs its clients few wake-ups. Its certificate is for
127.0.0.1 and signed by an authority that it writes into the directory as ``ca.pem``. It prints its port, and ends when
standard input does.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from benchmarks.accounts import bind
from benchmarks.null_registrar import answered
from benchmarks.programs import HERE
from tests.certificates import authority

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

__all__ = ["stream_registrar"]

_END = b"\r\n\r\n"


@contextmanager
def stream_registrar(transport: str, cpu: int = -1) -> Iterator[tuple[int, str]]:
    """Run the registrar; its port, and the file of the authority that signed its certificate.

    Args:
        transport: ``tcp`` or ``tls``.
        cpu: The CPU it is bound to, -1 for any.
    """
    with tempfile.TemporaryDirectory() as directory:
        command = [sys.executable, "-m", "benchmarks.stream_registrar", transport, str(cpu), directory]
        with subprocess.Popen(command, cwd=HERE.parent, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            try:
                yield int(process.stdout.readline()), str(Path(directory, "ca.pem"))
            finally:
                process.communicate()


class _Connection(asyncio.Protocol):
    """Answers every message; none of them has a body."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        host, port = transport.get_extra_info("peername")[:2]
        self._seen = b";received=%b;rport=%d" % (host.encode(), port)
        self._left = b""

    def data_received(self, data: bytes) -> None:
        *messages, self._left = (self._left + data).split(_END)
        self._transport.write(b"".join(answered(message + _END, self._seen) for message in messages if message))


async def serve(transport: str, directory: Path) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Connection, "127.0.0.1", 0, ssl=_context(transport, directory))
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


def _context(transport: str, directory: Path) -> ssl.SSLContext | None:
    if transport != "tls":
        return None
    (directory / "ca.pem").write_text(authority().pem)
    return authority().issue(addresses=["127.0.0.1"]).context(directory)


def main() -> None:
    transport, cpu, directory = sys.argv[1:]
    bind(int(cpu))
    asyncio.run(serve(transport, Path(directory)))


if __name__ == "__main__":
    main()
