"""aiosipreg/testing/tls.py, against the ssl of the standard library as a client."""

from __future__ import annotations

import ssl

import pytest

from aiosipreg.testing.tls import TlsLayer
from tests.testing.certificates import client_context, server_context


class TlsClient:
    """The client's side."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = client_context() if context is None else context
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")

    def hello(self) -> bytes:
        """The first octets."""
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    def finish(self, octets: bytes) -> bytes:
        """Take the server's part of the handshake; what ends it."""
        self.incoming.write(octets)
        self.tls.do_handshake()
        return self.outgoing.read()

    def say(self, data: bytes) -> bytes:
        """The octets that say something."""
        self.tls.write(data)
        return self.outgoing.read()

    def hear(self, octets: bytes) -> bytes:
        """What octets say."""
        self.incoming.write(octets)
        heard = b""
        while self.incoming.pending:
            try:
                portion = self.tls.read(65_536)
            except ssl.SSLWantReadError:
                break
            heard += portion
            if not portion:
                break
        return heard


def connected() -> tuple[TlsClient, TlsLayer]:
    """Both sides past the handshake."""
    client, server = TlsClient(), TlsLayer(server_context())
    plain, octets = server.feed(client.hello())
    plain, tickets = server.feed(client.finish(octets))
    assert (plain, server.ended) == (b"", False)
    assert client.hear(tickets) == b""
    return client, server


def test_a_handshake_and_a_talk() -> None:
    client, server = connected()
    assert server.feed(client.say(b"hello")) == (b"hello", b"")
    assert client.hear(server.wrap(b"good morning")) == b"good morning"
    assert server.wrap(b"") == b""
    assert not server.ended


def test_what_comes_with_the_end_of_the_handshake_is_not_lost() -> None:
    client, server = TlsClient(), TlsLayer(server_context())
    _, octets = server.feed(client.hello())
    assert server.feed(client.finish(octets) + client.say(b"early"))[0] == b"early"


def test_octets_may_come_one_by_one() -> None:
    client, server = TlsClient(), TlsLayer(server_context())
    octets = b"".join(server.feed(bytes([octet]))[1] for octet in client.hello())
    server.feed(client.finish(octets))
    assert b"".join(server.feed(bytes([octet]))[0] for octet in client.say(b"hello")) == b"hello"


def test_more_than_one_record_is_written_whole() -> None:
    client, server = connected()
    data = b"x" * 100_000
    assert client.hear(server.wrap(data)) == data


def test_a_goodbye_of_the_client_ends_it() -> None:
    client, server = connected()
    last = client.say(b"bye")
    with pytest.raises(ssl.SSLWantReadError):
        client.tls.unwrap()
    assert server.feed(last + client.outgoing.read())[0] == b"bye"
    assert server.ended


def test_our_goodbye_is_seen() -> None:
    client, server = connected()
    client.incoming.write(server.farewell())
    assert client.tls.read() == b""
    client.tls.unwrap()
    assert server.farewell() == b""


def test_nothing_is_said_before_the_handshake_is_done() -> None:
    server = TlsLayer(server_context())
    server.feed(TlsClient().hello()[:100])
    assert server.wrap(b"secret") == b""
    assert server.farewell() == b""


def test_a_client_that_does_not_trust_us_ends_it() -> None:
    client, server = TlsClient(ssl.create_default_context()), TlsLayer(server_context())
    _, octets = server.feed(client.hello())
    with pytest.raises(ssl.SSLCertVerificationError):
        client.finish(octets)
    assert server.feed(client.outgoing.read()) == (b"", b"")
    assert server.ended


def test_what_is_no_tls_ends_it() -> None:
    server = TlsLayer(server_context())
    assert server.feed(b"REGISTER sip:sip.titi.com SIP/2.0\r\n") == (b"", b"")
    assert server.ended


def test_what_cannot_be_agreed_on_ends_it_with_an_alert() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server = TlsLayer(context)
    plain, alert = server.feed(TlsClient().hello())
    assert (plain, alert[:1]) == (b"", b"\x15")
    assert server.ended
