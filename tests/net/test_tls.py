"""aiosipreg/net/tls.py: who a server proves to be, with real handshakes where OpenSSL has a say."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from typing import TYPE_CHECKING, Any, cast

import pytest
from cryptography import x509

from aiosipreg.engine.targets import Target, Transport
from aiosipreg.net import stream
from aiosipreg.net.certificate import Certificate
from aiosipreg.net.stats import Stats
from aiosipreg.net.stream import StreamTransport
from aiosipreg.net.tls import Contexts, TlsError
from aiosipreg.settings import TlsParams, TransportParams
from tests import certificates
from tests.certificates import ANY, CLIENT, MAIL, SERVER, SIP_DOMAIN, Authority, Identity, authority
from tests.free_ports import free_port
from tests.net.test_stream import OK, OPTIONS, Recorder, opened
from tests.tcp_server import Server, ended, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from aiosipreg.engine.effects import Flow

TRUSTING = TlsParams(ca_data=authority().pem)


def target(port: int, name: str = "titi.com") -> Target:
    return Target("127.0.0.1", port, Transport.TLS, name)


@pytest.fixture
def handler() -> Recorder:
    return Recorder()


@pytest.fixture
async def streams(handler: Recorder) -> AsyncIterator[StreamTransport]:
    async with opened(handler) as streams:
        yield streams


@contextlib.asynccontextmanager
async def secured(directory: Path, identity: Identity, **options: Any) -> AsyncIterator[Server]:
    """A server that shows this certificate."""
    context = options.pop("context", None) or identity.context(directory, **options)
    async with serving(agree=False, context=context) as server:
        yield server


async def talks(streams: StreamTransport, server: Server, flow: Flow) -> bool:
    """Whether a message gets through."""
    streams.send(flow, OPTIONS)
    _, message = await server.next()
    return bytes(message) == OPTIONS


async def refused(streams: StreamTransport, server: Server, params: TlsParams, name: str = "titi.com") -> TlsError:
    """The error; and the server saw not one octet of SIP (TLS-1)."""
    with pytest.raises(TlsError) as caught:
        await streams.open(target(server.port, name), params)
    await ended(server.peers)
    assert [peer.octets for peer in server.peers] == [b""] * len(server.peers)
    assert caught.value.wanted == name
    return caught.value


# TLS-3, TLS-4, TLS-5: what the certificate says, what else is asked for, the names that it is for and those that not.
NAMES: list[tuple[dict[str, Any], dict[str, Any], str, str]] = [
    ({"dns": ["titi.com"]}, {}, "titi.com TITI.com titi.com.", "sip.titi.com com xtiti.com titi.com.evil.org"),
    ({"dns": ["TITI.com"]}, {}, "titi.com", ""),
    ({"dns": ["a.org", "titi.com"]}, {}, "titi.com a.org", "b.org"),
    ({"dns": ["*.titi.com"]}, {}, "sip.titi.com SIP.TITI.COM", "titi.com a.sip.titi.com sip.tata.com .titi.com"),
    ({"dns": ["*.titi.com"]}, {"wildcards": False}, "", "sip.titi.com titi.com"),
    ({"dns": ["*.com", "*"]}, {}, "", "titi.com com"),
    ({"dns": ["s*.titi.com", "sip.*.com"]}, {}, "", "sip.titi.com"),
    ({"dns": ["xn--mnchen-3ya.de"]}, {}, "xn--mnchen-3ya.de XN--mnchen-3ya.de", "xn--mnchen-3yb.de"),
    ({"uris": ["sip:titi.com"]}, {}, "titi.com", "sip.titi.com"),
    ({"uris": ["SIP:TITI.com:5061;transport=tcp"]}, {}, "titi.com", ""),
    ({"uris": ["sip:titi.com"], "dns": ["sip.titi.com", "*.tata.com"]}, {}, "titi.com", "sip.titi.com sip.tata.com"),
    ({"uris": ["sip:toto@titi.com"]}, {}, "", "titi.com"),
    ({"uris": ["sip:toto@tata.com"], "dns": ["titi.com"]}, {}, "titi.com", "tata.com"),
    ({"uris": ["sips:titi.com"]}, {}, "", "titi.com"),
    ({"uris": ["https://titi.com/", "sip:", "titi.com"]}, {}, "", "titi.com"),
    ({"uris": ["https://titi.com/"], "dns": ["tata.com"]}, {}, "tata.com", "titi.com"),
    ({"uris": ["sip:*.titi.com"]}, {}, "", "sip.titi.com titi.com"),
    ({"common": "titi.com"}, {}, "", "titi.com"),
    ({"common": "titi.com"}, {"common_name": True}, "titi.com TITI.com", "sip.titi.com"),
    ({"common": "*.titi.com"}, {"common_name": True}, "", "sip.titi.com"),
    ({"common": "titi.com", "dns": ["tata.com"]}, {"common_name": True}, "tata.com", "titi.com"),
    ({"common": "titi.com", "addresses": ["192.0.2.1"]}, {"common_name": True}, "192.0.2.1", "titi.com"),
    ({"addresses": ["192.0.2.1", "2001:db8::1"]}, {}, "192.0.2.1 2001:db8::1 2001:DB8:0::1", "192.0.2.2 titi.com"),
    ({"uris": ["sip:titi.com"], "addresses": ["192.0.2.1"]}, {}, "titi.com 192.0.2.1", ""),
    ({"dns": ["192.0.2.1"]}, {}, "", "192.0.2.1"),
    ({"dns": ["sip1.hoster.net"]}, {"extra_names": ("sip1.hoster.net",)}, "titi.com 192.0.2.1 sip1.hoster.net", ""),
    ({"dns": ["sip1.hoster.net"]}, {"extra_names": ("sip2.hoster.net",)}, "sip1.hoster.net", "titi.com"),
]


@pytest.mark.parametrize(("says", "asked", "good", "bad"), NAMES)
def test_TLS_3_TLS_4_TLS_5_names(says: dict[str, Any], asked: dict[str, Any], good: str, bad: str) -> None:
    certificate, params = Certificate.read(authority().issue(**says).der), TlsParams(**asked)
    assert [name for name in good.split() if not certificate.is_for(name, params)] == []
    assert [name for name in bad.split() if certificate.is_for(name, params)] == []


async def test_TLS_1_a_good_server(streams: StreamTransport, handler: Recorder, tmp_path: Path) -> None:
    async with secured(tmp_path, certificates.server("titi.com")) as server:
        flow = await streams.open(target(server.port), TRUSTING)
        assert await talks(streams, server, flow)
        (peer,) = server.peers
        peer.transport.write(OK)
        assert await handler.next() == (200, ("127.0.0.1", server.port), flow.serial)
        assert peer.transport.get_extra_info("peername") == (flow.host, flow.port)


async def test_TLS_1_a_self_signed_server_sees_no_sip(streams: StreamTransport, tmp_path: Path) -> None:
    identity = authority().issue(dns=["titi.com"], vouched=False)
    async with secured(tmp_path, identity) as server:
        error = await refused(streams, server, TRUSTING)
        assert error.row == "TLS-1"
        assert "not trusted: self-signed certificate; TlsParams.ca_file" in str(error).replace(
            "self signed", "self-signed"
        )


@pytest.mark.parametrize("where", ["ca_file", "ca_data"])
async def test_a_self_signed_server_that_is_named_is_trusted(
    streams: StreamTransport, tmp_path: Path, where: str
) -> None:
    identity = authority().issue(dns=["titi.com"], vouched=False)
    async with secured(tmp_path, identity) as server:
        material: dict[str, Any] = {where: identity.pem if where == "ca_data" else str(tmp_path / "server.pem")}
        flow = await streams.open(target(server.port), TlsParams(**material))
        assert await talks(streams, server, flow)


@pytest.mark.parametrize(
    ("identity", "tells"),
    [
        (
            lambda: certificates.authority("Nobody").issue(dns=["titi.com"]),
            "is not trusted: unable to get local issuer",
        ),
        (lambda: authority().issue(dns=["titi.com"], days=(-3, -1)), "or the clock is wrong: it has expired"),
        (lambda: authority().issue(dns=["titi.com"], days=(1, 2)), "or the clock is wrong: it is not valid yet"),
        (lambda: authority().issue(dns=["tata.com", "*.titi.com"]), "is for tata.com, *.titi.com, not for titi.com"),
        (lambda: authority().issue(uris=["sip:tata.com"], dns=["titi.com"]), "is for tata.com, not for titi.com"),
        (lambda: authority().issue(addresses=["127.0.0.1"]), "is for 127.0.0.1, not for titi.com"),
        (lambda: authority().issue(common="titi.com"), "only the common name titi.com, not for titi.com"),
        (lambda: authority().issue(uris=["https://titi.com"]), "is for no name that counts, not for titi.com"),
        (lambda: authority().issue(dns=["titi.com"], usages=[MAIL, CLIENT]), "is not for servers"),
    ],
)
async def test_TLS_1_TLS_6_what_is_refused_is_logged_once(
    streams: StreamTransport, tmp_path: Path, caplog: pytest.LogCaptureFixture, identity: Any, tells: str
) -> None:
    async with secured(tmp_path, identity()) as server:
        error = await refused(streams, server, TRUSTING)
        assert error.row == "TLS-1"
        assert tells in str(error)
        await refused(streams, server, TRUSTING)
        await asyncio.sleep(0)
        (warning,) = (record for record in caplog.records if record.levelno == logging.WARNING)
        assert warning.getMessage() == f"no connection to tls:127.0.0.1:{server.port}: {error}"


async def test_a_refused_certificate_is_logged_anew_after_one_that_was_accepted(
    streams: StreamTransport,
    handler: Recorder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(stream, "MOST_CONNECTIONS", 1)
    async with secured(tmp_path, certificates.server("titi.com")) as server:
        for name in ("tata.com", "a.org", "tata.com"):
            await refused(streams, server, TRUSTING, name)
        assert len(caplog.records) == 3, "no more is remembered than there may be connections"
        for _ in range(2):
            streams.fail((await streams.open(target(server.port), TRUSTING)).serial, "enough")
            await handler.next()
            await refused(streams, server, TlsParams())
            await asyncio.sleep(0)
        assert len(caplog.records) == 5


@pytest.mark.parametrize(
    ("says", "asked", "setting"),
    [
        ({"dns": ["tata.com"]}, {}, "extra_names"),
        ({"common": "titi.com"}, {}, "common_name"),
        ({"dns": ["*.titi.com"]}, {"wildcards": False}, "wildcards"),
        ({"dns": ["sip.titi.com"], "usages": [SERVER]}, {"strict_usage": True}, "strict_usage"),
        ({"dns": ["sip.titi.com"]}, {"pins": ("0" * 64,)}, "pins"),
    ],
)
async def test_an_error_names_the_setting_that_decides(
    streams: StreamTransport, tmp_path: Path, says: dict[str, Any], asked: dict[str, Any], setting: str
) -> None:
    identity = authority().issue(**says)
    async with secured(tmp_path, identity) as server:
        error = await refused(streams, server, TRUSTING.replace(**asked), "sip.titi.com")
        assert error.setting == setting
        assert str(error).endswith(f"; TlsParams.{setting} decides on that")
        if setting == "pins":
            assert identity.pin in str(error)


async def test_T1_a_name_behind_srv_records_counts_only_if_it_is_named(
    streams: StreamTransport, tmp_path: Path
) -> None:
    """TLS-2: the certificate must be for the domain, whatever DNS made of it."""
    async with secured(tmp_path, certificates.server("sip1.hoster.net")) as server:
        error = await refused(streams, server, TRUSTING)
        assert error.found == ("sip1.hoster.net",)
        named = TRUSTING.replace(extra_names=("sip1.hoster.net",))
        assert await talks(streams, server, await streams.open(target(server.port), named))


async def test_TLS_5_a_numeric_server(streams: StreamTransport, tmp_path: Path) -> None:
    async with secured(tmp_path, authority().issue(addresses=["127.0.0.1"])) as server:
        assert await talks(streams, server, await streams.open(target(server.port, "127.0.0.1"), TRUSTING))
    nameless = authority().issue(dns=["titi.com"])
    async with secured(tmp_path, nameless) as server:
        error = await refused(streams, server, TRUSTING, "127.0.0.1")
        assert "is for titi.com, not for 127.0.0.1" in str(error)
        pinned = TRUSTING.replace(pins=(nameless.pin,))
        assert await talks(streams, server, await streams.open(target(server.port, "127.0.0.1"), pinned))


async def test_TLS_5_pins_may_add_to_the_chain(streams: StreamTransport, tmp_path: Path) -> None:
    good = certificates.server("titi.com")
    stranger = certificates.authority("Nobody").issue(dns=["titi.com"])
    async with secured(tmp_path, good) as server:
        pinned = TRUSTING.replace(pins=("0" * 64, good.pin.upper()))
        assert await talks(streams, server, await streams.open(target(server.port), pinned))
        await refused(streams, server_of(server), TRUSTING.replace(pins=("0" * 64,)))
        await refused(streams, server_of(server), pinned, "tata.com")
    async with secured(tmp_path, stranger) as server:
        await refused(streams, server, TRUSTING.replace(pins=(stranger.pin,)))


def names(directory: Path) -> set[str]:
    """What is in a directory."""
    return {path.name for path in directory.iterdir()}


def server_of(server: Server) -> Server:
    """The same server without the connections that there were."""
    server.peers = []
    return server


async def test_TLS_5_pins_may_replace_the_chain(streams: StreamTransport, tmp_path: Path) -> None:
    stranger = certificates.authority("Nobody").issue(dns=["tata.com"], days=(-3, -1), usages=[MAIL])
    async with secured(tmp_path, stranger) as server:
        params = TlsParams(pins=(stranger.pin,), pins_suffice=True)
        assert await talks(streams, server, await streams.open(target(server.port), params))
        await refused(streams, server_of(server), TlsParams(pins=("0" * 64,), pins_suffice=True))


USAGES = [
    (None, True, True),
    ((SIP_DOMAIN,), True, True),
    ((ANY,), True, True),
    ((SERVER,), True, False),
    ((SERVER, CLIENT), True, False),
    ((SERVER, SIP_DOMAIN), True, True),
    ((MAIL, SIP_DOMAIN), True, True),
    ((CLIENT,), False, False),
    ((MAIL,), False, False),
]


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(("usages", "usual", "strictly"), USAGES)
async def test_TLS_6_usage(
    streams: StreamTransport, tmp_path: Path, usages: Any, usual: bool, strictly: bool, strict: bool
) -> None:
    async with secured(tmp_path, authority().issue(dns=["titi.com"], usages=usages)) as server:
        params = TRUSTING.replace(strict_usage=strict)
        if strictly if strict else usual:
            assert await talks(streams, server, await streams.open(target(server.port), params))
        else:
            await refused(streams, server, params)


@pytest.mark.parametrize(
    ("issuer", "days", "names", "good"),
    [
        ("Intermediate CA", (-1, 2), ["titi.com"], True),
        ("Nobody", (-1, 2), ["titi.com"], False),
        ("Intermediate CA", (-3, -1), ["titi.com"], False),
        ("Intermediate CA", (-1, 2), ["tata.com"], False),
    ],
)
async def test_TLS_6_chain_dates_and_names_of_a_certificate_for_sip_alone(
    streams: StreamTransport, tmp_path: Path, issuer: str, days: tuple[int, int], names: list[str], good: bool
) -> None:
    """OpenSSL refuses it without having looked at all of these."""
    middle = Authority(issuer, authority() if issuer != "Nobody" else certificates.authority("Nobody"))
    async with secured(tmp_path, middle.issue(dns=names, usages=[SIP_DOMAIN], days=days)) as server:
        if good:
            assert await talks(streams, server, await streams.open(target(server.port), TRUSTING))
        else:
            await refused(streams, server, TRUSTING)


# A subjectAltName with an ediPartyName (RFC 5280 4.2.1.6), which nobody uses.
EDI = x509.UnrecognizedExtension(x509.OID_SUBJECT_ALTERNATIVE_NAME, b"\x30\x07\xa5\x05\xa1\x03\x0c\x01x")


@pytest.mark.parametrize(
    "trust", [{}, {"insecure_skip_verify": True}, {"client_cert": certificates.server("me").pem}], ids=" ".join
)
async def test_ROB_8_a_certificate_that_cannot_be_read_is_refused_like_any_other(
    streams: StreamTransport, tmp_path: Path, trust: dict[str, Any]
) -> None:
    if "client_cert" in trust:
        trust = {**trust, "client_key": certificates.server("me").key_pem()}
    params = TlsParams(**trust) if "insecure_skip_verify" in trust else TRUSTING.replace(**trust)
    async with secured(tmp_path, authority().issue(odd=EDI)) as server:
        assert "cannot be read" in str(await refused(streams, server, params))


async def test_TLS_6_the_chain_as_later_pythons_give_it(
    streams: StreamTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From Python 3.13 on the session itself has it, as octets."""

    def chain(session: Any) -> list[bytes]:
        pem = [entry.public_bytes() for entry in session._sslobj.get_unverified_chain()]
        return [ssl.PEM_cert_to_DER_cert(text) for text in pem]

    monkeypatch.setattr(ssl.SSLObject, "get_unverified_chain", chain, raising=False)
    async with secured(tmp_path, authority().issue(dns=["titi.com"], usages=[SIP_DOMAIN])) as server:
        assert await talks(streams, server, await streams.open(target(server.port), TRUSTING))


async def test_SEC_18_the_environment_switches_nothing_off(
    streams: StreamTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "PYTHONHTTPSVERIFY": "0",
        "SSLKEYLOGFILE": str(tmp_path / "keys"),
        "NODE_TLS_REJECT_UNAUTHORIZED": "0",
    }.items():
        monkeypatch.setenv(name, value)
    async with secured(tmp_path, certificates.authority("Nobody").issue(dns=["titi.com"])) as server:
        await refused(streams, server, TlsParams())
    async with secured(tmp_path, certificates.server("titi.com")) as server:
        assert await talks(streams, server, await streams.open(target(server.port), TRUSTING))
    assert not (tmp_path / "keys").exists()


async def test_TLS_1_the_switch_for_trusting_anybody_warns_each_time(
    streams: StreamTransport, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    params = TlsParams(insecure_skip_verify=True)
    async with secured(tmp_path, certificates.authority("Nobody").issue(dns=["tata.com"])) as server:
        assert await talks(streams, server, await streams.open(target(server.port), params))
        assert await talks(streams, server, await streams.open(target(server.port, "toto.com"), params))
        assert len(server.peers) == 2
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == [
        "titi.com: not verified who answers, because insecure_skip_verify is set",
        "toto.com: not verified who answers, because insecure_skip_verify is set",
    ]


async def test_TLS_7_a_connection_is_shared_by_names_that_the_certificate_is_for(
    streams: StreamTransport, tmp_path: Path
) -> None:
    async with secured(tmp_path, certificates.server("titi.com", "*.tata.com")) as server:
        flows = [
            await streams.open(target(server.port, name), TRUSTING) for name in ("titi.com", "a.tata.com", "b.tata.com")
        ]
        assert len({flow.serial for flow in flows}) == 1
        assert streams.flow(target(server.port, "tata.com"), TRUSTING) is None
        await refused(streams, server_of(server), TRUSTING, "tata.com")


async def test_TLS_7_each_of_two_domains_at_one_address_gets_its_connection(
    streams: StreamTransport, tmp_path: Path
) -> None:
    titi, tata = certificates.server("titi.com"), certificates.server("tata.com")
    context, other = titi.context(tmp_path), tata.context(tmp_path)

    def choose(connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = other if name == "tata.com" else context

    context.sni_callback = choose
    async with secured(tmp_path, titi, context=context) as server:
        one, two = await asyncio.gather(
            *(streams.open(target(server.port, name), TRUSTING) for name in ("titi.com", "tata.com"))
        )
        assert one.serial != two.serial
        assert await streams.open(target(server.port, "tata.com"), TRUSTING) == two


async def test_TLS_7_other_trust_is_another_connection(streams: StreamTransport, tmp_path: Path) -> None:
    async with secured(tmp_path, certificates.server("titi.com")) as server:
        ours = authority().issue()
        settings = [
            TRUSTING,
            TRUSTING.replace(wildcards=False),
            TRUSTING.replace(client_cert=ours.pem, client_key=ours.key_pem()),
        ]
        flows = [await streams.open(target(server.port), params) for params in settings]
        assert len({flow.serial for flow in flows}) == 3
        again = TlsParams(ca_data=authority().pem)
        assert await streams.open(target(server.port), again) == flows[0]


@pytest.mark.parametrize(
    ("name", "sent"), [("titi.com", "titi.com"), ("127.0.0.1", None), ("xn--mnchen-3ya.de", "xn--mnchen-3ya.de")]
)
async def test_T2_TLS_8_the_server_is_told_the_domain_and_never_an_address(
    streams: StreamTransport, tmp_path: Path, name: str, sent: str | None
) -> None:
    told = []
    identity = authority().issue(dns=["titi.com", "xn--mnchen-3ya.de"], addresses=["127.0.0.1"])
    context = identity.context(tmp_path)
    context.sni_callback = lambda _connection, name, _context: told.append(name)
    async with secured(tmp_path, identity, context=context) as server:
        await streams.open(target(server.port, name), TRUSTING)
        assert told == [sent]


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_TLS_8_versions(streams: StreamTransport, tmp_path: Path, version: ssl.TLSVersion) -> None:
    identity = certificates.server("titi.com")
    context = identity.context(tmp_path)
    context.minimum_version = context.maximum_version = version
    if version is ssl.TLSVersion.TLSv1_1:
        context.set_ciphers("ALL:@SECLEVEL=0")
    async with secured(tmp_path, identity, context=context) as server:
        if version is ssl.TLSVersion.TLSv1_1:
            assert (await refused(streams, server, TRUSTING)).row == "RSP-TLS"
        else:
            flow = await streams.open(target(server.port), TRUSTING)
            assert await talks(streams, server, flow)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
async def test_TLS_8_an_old_version_is_refused_with_any_context(streams: StreamTransport, tmp_path: Path) -> None:
    identity = certificates.server("titi.com")
    theirs, ours = identity.context(tmp_path), ssl.create_default_context(cadata=authority().pem)
    for context in (theirs, ours):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    async with secured(tmp_path, identity, context=theirs) as server:
        error = await refused(streams, server, TlsParams(context=ours))
        assert "offers TLSv1.1" in str(error)


class TestOwnContext:
    async def test_it_decides_on_trust_and_names_are_checked_all_the_same(
        self, streams: StreamTransport, tmp_path: Path
    ) -> None:
        own = ssl.create_default_context(cadata=authority().pem)
        own.check_hostname = False
        async with secured(tmp_path, certificates.server("titi.com")) as server:
            flow = await streams.open(target(server.port), TlsParams(context=own))
            assert await talks(streams, server, flow)
            error = await refused(streams, server_of(server), TlsParams(context=own), "tata.com")
            assert error.setting == "extra_names"

    async def test_what_it_refuses_is_refused(self, streams: StreamTransport, tmp_path: Path) -> None:
        own = ssl.create_default_context(cadata=authority().pem)
        async with secured(tmp_path, authority().issue(dns=["titi.com"], usages=[SIP_DOMAIN])) as server:
            error = await refused(streams, server, TlsParams(context=own))
            assert (error.wrong_purpose, error.setting) == (True, "")

    async def test_TLS_1_one_that_stopped_verifying_is_not_used(self, streams: StreamTransport, tmp_path: Path) -> None:
        own = ssl.create_default_context(cadata=authority().pem)
        params = TlsParams(context=own)
        own.check_hostname = False
        own.verify_mode = ssl.CERT_NONE
        async with secured(tmp_path, certificates.server("titi.com")) as server:
            error = await refused(streams, server, params)
            assert error.setting == "context"

    async def test_one_that_verifies_nothing_may_be_used_with_pins(
        self, streams: StreamTransport, tmp_path: Path
    ) -> None:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        own.check_hostname = False
        own.verify_mode = ssl.CERT_NONE
        identity = certificates.server("tata.com")
        async with secured(tmp_path, identity) as server:
            params = TlsParams(context=own, pins=(identity.pin,), pins_suffice=True)
            assert await talks(streams, server, await streams.open(target(server.port), params))


class TestOurCertificate:
    """TLS-9."""

    @pytest.mark.parametrize("how", ["files", "memory", "both in one", "with password"])
    async def test_where_it_comes_from(self, streams: StreamTransport, tmp_path: Path, how: str) -> None:
        ours = authority().issue(common="toto")
        certificate, key = ours.files(tmp_path, "client")
        material: dict[str, dict[str, Any]] = {
            "files": {"client_cert": str(certificate), "client_key": str(key)},
            "memory": {"client_cert": ours.pem, "client_key": ours.key_pem()},
            "both in one": {"client_cert": ours.key_pem() + ours.pem},
            "with password": {"client_cert": ours.pem, "client_key": ours.key_pem("geheim"), "key_password": "geheim"},
        }
        async with secured(tmp_path, certificates.server("titi.com"), clients=authority().pem) as server:
            flow = await streams.open(target(server.port), TRUSTING.replace(**material[how]))
            assert await talks(streams, server, flow)
            (peer,) = server.peers
            assert peer.transport.get_extra_info("peercert")["subject"] == ((("commonName", "toto"),),)

    async def test_SEC_9_a_key_that_lost_its_first_line_is_not_told(
        self, streams: StreamTransport, tmp_path: Path
    ) -> None:
        ours = authority().issue(common="toto")
        secret = ours.key_pem().split("\n")[1]
        async with secured(tmp_path, certificates.server("titi.com")) as server:
            error = await refused(streams, server, TRUSTING.replace(client_cert=ours.pem, client_key=secret))
        assert "the file of the key: No such file" in str(error)
        assert secret not in repr(error)

    @pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
    @pytest.mark.parametrize(
        "asked", [{}, {"pins": ("0" * 64,)}, {"pins": ("0" * 64,), "pins_suffice": True, "extra_names": ("tata.com",)}]
    )
    async def test_TLS_9_TLS_2_who_is_not_accepted_does_not_see_it(
        self, streams: StreamTransport, tmp_path: Path, version: ssl.TLSVersion, asked: dict[str, Any]
    ) -> None:
        """Who asks for it has been told nothing but the name when we hang up: their handshake never ends."""
        ours = authority().issue(common="toto")
        identity = certificates.server("tata.com")
        context = identity.context(tmp_path, clients=authority().pem)
        context.minimum_version = context.maximum_version = version
        shows = TRUSTING.replace(client_cert=ours.pem, client_key=ours.key_pem())
        async with secured(tmp_path, identity, context=context) as server:
            error = await refused(streams, server, shows.replace(**asked))
            assert (error.row, error.setting) == ("TLS-1", "pins" if asked else "extra_names")
            # A server that is accepted sees it, as the only one.
            assert await talks(streams, server, await streams.open(target(server.port, "tata.com"), shows))
            assert len(server.peers) == 1

    async def test_TLS_9_a_switch_for_trusting_anybody_shows_it_to_anybody(
        self, streams: StreamTransport, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        ours = authority().issue(common="toto")
        shows = TlsParams(insecure_skip_verify=True, client_cert=ours.pem, client_key=ours.key_pem())
        async with secured(tmp_path, certificates.server("tata.com"), clients=authority().pem) as server:
            assert await talks(streams, server, await streams.open(target(server.port), shows))
        assert len([record for record in caplog.records if record.levelno == logging.WARNING]) == 1

    async def test_without_memory_files_the_key_is_on_disk_for_a_moment_only(
        self, streams: StreamTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delattr("os.memfd_create")
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
        ours = authority().issue(common="toto")
        async with secured(tmp_path, certificates.server("titi.com"), clients=authority().pem) as server:
            before = names(tmp_path)
            params = TRUSTING.replace(client_cert=ours.pem, client_key=ours.key_pem())
            assert await talks(streams, server, await streams.open(target(server.port), params))
            assert names(tmp_path) == before

    async def test_a_server_that_wants_one_and_gets_none(
        self, streams: StreamTransport, handler: Recorder, tmp_path: Path
    ) -> None:
        """With TLS 1.3 the server finds that out after our side of the handshake is over."""
        async with secured(tmp_path, certificates.server("titi.com"), clients=authority().pem) as server:
            flow = await streams.open(target(server.port), TRUSTING)
            with contextlib.suppress(OSError):
                streams.send(flow, OPTIONS)
            assert (await handler.next())[0] == flow.serial
            assert server.requests == []

    @pytest.mark.parametrize(
        ("material", "setting"),
        [
            ({"client_cert": "/nowhere/client.pem"}, "client_cert"),
            ({"ca_file": "/nowhere/ca.pem"}, "ca_file"),
            ({"client_cert": "PEM", "client_key": "/nowhere/client.key"}, "client_key"),
            ({"client_cert": "PEM"}, "client_cert"),
            ({"client_cert": "PEM", "client_key": "OTHER"}, "client_cert"),
            ({"client_cert": "PEM", "client_key": "ENCRYPTED"}, "client_cert"),
            ({"client_cert": "PEM", "client_key": "ENCRYPTED", "key_password": "falsch"}, "client_cert"),
            ({"client_cert": "PEM", "client_key": "ENCRYPTED", "key_password": "x" * 2000}, "client_cert"),
            ({"ca_data": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "ca_file"),
        ],
    )
    async def test_what_cannot_be_used(self, streams: StreamTransport, material: dict[str, str], setting: str) -> None:
        ours = authority().issue()
        texts = {"PEM": ours.pem, "OTHER": authority().issue().key_pem(), "ENCRYPTED": ours.key_pem("geheim")}
        params = TlsParams(**{name: texts.get(value, value) for name, value in material.items()})  # type: ignore[arg-type]
        with pytest.raises(TlsError) as caught:
            await streams.open(target(free_port()), params)
        assert (caught.value.setting, caught.value.row) == (setting, "TLS-1")
        assert "geheim" not in str(caught.value)
        assert "PRIVATE" not in str(caught.value)

    async def test_a_renewed_file_is_used_for_the_next_connection(
        self, streams: StreamTransport, tmp_path: Path
    ) -> None:
        first, second = authority().issue(common="first"), authority().issue(common="second")
        certificate, key = first.files(tmp_path, "client")
        params = TRUSTING.replace(client_cert=str(certificate), client_key=str(key))
        contexts = Contexts()
        one = contexts.get(params, "titi.com")
        assert contexts.get(params, "titi.com") is one
        second.files(tmp_path, "client")
        certificate.write_text(certificate.read_text() + "\n")
        assert contexts.get(params, "titi.com") is not one


class Odd(asyncio.Protocol):
    """A server that answers the handshake with something else, or hangs up, or says nothing."""

    def __init__(self, words: bytes | None) -> None:
        self.words = words

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.words:
            self.transport.write(self.words)
        elif self.words is not None:
            self.transport.close()


class TestHandshake:
    @pytest.mark.parametrize(
        ("words", "tells"), [(OK, "it does not speak TLS there"), (b"", ""), (None, "it took too long")]
    )
    async def test_TRA_14_a_server_that_does_something_else(
        self, streams: StreamTransport, monkeypatch: pytest.MonkeyPatch, words: bytes | None, tells: str
    ) -> None:
        assert stream.SECURED_WITHIN == 5.0
        monkeypatch.setattr(stream, "SECURED_WITHIN", 0.05 if words is None else 5.0)
        loop = asyncio.get_running_loop()
        async with await loop.create_server(lambda: Odd(words), "127.0.0.1", 0) as listener:
            with pytest.raises(TlsError, match=f"no TLS handshake with titi.com: .*{tells}") as caught:
                await streams.open(target(listener.sockets[0].getsockname()[1]), TRUSTING)
        assert caught.value.row == "RSP-TLS"
        await asyncio.sleep(0)

    async def test_a_closed_port_is_no_matter_of_tls(self, streams: StreamTransport) -> None:
        with pytest.raises(ConnectionRefusedError):
            await streams.open(target(free_port()), TRUSTING)

    async def test_one_that_is_gone_when_the_handshake_is_over(
        self, streams: StreamTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        loop = asyncio.get_running_loop()
        start_tls = loop.start_tls

        async def start_and_lose(*args: Any, **options: Any) -> None:
            secured = await start_tls(*args, **options)
            assert secured is not None
            secured.abort()

        monkeypatch.setattr(loop, "start_tls", start_and_lose)
        async with secured(tmp_path, certificates.server("titi.com")) as server:
            with pytest.raises(TlsError, match="the server hung up") as caught:
                await streams.open(target(server.port), TRUSTING)
        assert caught.value.row == "RSP-TLS"

    async def test_a_certificate_that_cannot_be_read(
        self, streams: StreamTransport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def unreadable(_der: bytes) -> Certificate:
            raise ValueError("error parsing asn1 value")

        monkeypatch.setattr(Certificate, "read", unreadable)
        async with secured(tmp_path, certificates.server("titi.com")) as server:
            error = await refused(streams, server, TRUSTING)
            assert "the certificate of titi.com cannot be read: error parsing asn1 value" in str(error)


async def test_TLS_10_the_farewell_is_said_and_not_waited_for(handler: Recorder, tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with secured(tmp_path, certificates.server("titi.com")) as server:
        async with opened(handler) as streams:
            flow = await streams.open(target(server.port), TRUSTING)
            assert await talks(streams, server, flow)
            (peer,) = server.peers
            peer.transport.pause_reading()
            began = loop.time()
        assert loop.time() - began < 1.5
        peer.transport.abort()


async def test_TLS_10_after_the_farewell_of_the_server_nothing_new_is_sent(
    streams: StreamTransport, handler: Recorder, tmp_path: Path
) -> None:
    async with secured(tmp_path, certificates.server("titi.com")) as server:
        flow = await streams.open(target(server.port), TRUSTING)
        assert await talks(streams, server, flow)
        server.hang_up()
        assert await handler.next() == (flow.serial, "closed by the server")
        assert streams.flow(target(server.port), TRUSTING) is None
        with pytest.raises(OSError, match="closed"):
            streams.send(flow, OPTIONS)


async def test_stats_and_a_transport_of_its_own_port(handler: Recorder, tmp_path: Path) -> None:
    port = free_port()
    async with secured(tmp_path, certificates.server("titi.com")) as server:
        streams = StreamTransport(TransportParams(tls=port), 32.0, handler, Stats())
        assert (await streams.open(target(server.port), TRUSTING)).port == port
        await streams.close()
