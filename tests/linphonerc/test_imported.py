"""aiosipreg/linphonerc/imported.py: what a file of liblinphone becomes."""

from __future__ import annotations

import dataclasses
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from aiosipreg import (
    AuthInfo,
    Core,
    DigestPolicy,
    NatMode,
    ProxyParams,
    RegistrationState,
    RetryPolicy,
    SipTimers,
    Stats,
    TransportParams,
    hub,
    linphonerc,
)
from aiosipreg.linphonerc import Entry, Imported, load, parse
from aiosipreg.linphonerc.imported import _BUILT_TRANSPORTS
from aiosipreg.testing import Registrar

if TYPE_CHECKING:
    from pathlib import Path

    from aiosipreg.net.handler import MessageHandler

UUID = "11111111-2222-3333-4444-555555555555"
HA1 = "0123456789abcdef0123456789abcdef"
ACCOUNT = "reg_proxy=<sip:titi.com>\nreg_identity=sip:toto@titi.com\n"

WHOLE = f"""# written by liblinphone
[sip]
sip_port=5070
bind_address=192.0.2.1
dscp=0x1a
user_agent=Toto/1.0
refresh_window=50-80
refresher_retry_after=20000
supported=path, gruu
default_proxy=1
media_encryption=none

[net]
enable_nat_helper=0
dns_srv_enabled=1
mtu=1300

[misc]
uuid={UUID}

[digest_authentication_policy]
allow_md5=0
allow_no_qop=0

[proxy_default_values]
reg_expires=700
realm=titi.com

[proxy_0]
reg_proxy=<sip:sip.titi.com:5080>
reg_route=<sip:edge.titi.com;lr>,sip:core.titi.com
reg_identity="Toto" <sip:toto@titi.com>
reg_expires=900
reg_sendregister=0
contact_parameters=a=b;c
contact_uri_parameters=x=y
custom_contact=<sip:toto@desk.titi.com>;q=0.3
unregister_at_stop=0
refkey=ref
idkey=first
publish=1
x-custom-property:colour=blue

[proxy_1]
reg_proxy=sip.titi.com
reg_identity=sip:titi@titi.com
supported=outbound
depends_on=first

[auth_info_0]
username=toto
userid=toto@titi.com
passwd= hunter2 100%: #=
realm=titi.com
domain=titi.com
available_algorithms=MD5,SHA-256

[auth_info_1]
username=titi
ha1={HA1}
realm=titi.com
algorithm=MD5

[sound]
playback_dev_id=ALSA: default
"""


def test_a_whole_file() -> None:
    imported = parse(WHOLE)
    assert imported.problems == ()
    shared: dict[str, Any] = {
        "refresh_window": (0.5, 0.8),
        "instance_id": f"urn:uuid:{UUID}",
        "nat": NatMode.OFF,
        "realm": "titi.com",
    }
    assert imported.accounts == (
        ProxyParams(
            '"Toto" <sip:toto@titi.com>',
            server="sip:sip.titi.com:5080",
            routes=("sip:edge.titi.com;lr", "sip:core.titi.com"),
            expires=900,
            register=False,
            contact_params={"a": "b", "c": None},
            contact_uri_params={"x": "y"},
            extra_contacts=("<sip:toto@desk.titi.com>;q=0.3",),
            unregister_at_stop=False,
            ref_key="ref",
            id="first",
            supported=("path", "gruu"),
            **shared,
        ),
        ProxyParams(
            "sip:titi@titi.com",
            server="sip.titi.com",
            expires=700,
            supported=("outbound",),
            depends_on="first",
            **shared,
        ),
    )
    assert imported.auth_infos == (
        AuthInfo("toto", userid="toto@titi.com", password=" hunter2 100%: #=", realm="titi.com", domain="titi.com"),
        AuthInfo("titi", ha1=HA1, realm="titi.com", algorithm="MD5"),
    )
    assert imported.default == 1
    assert imported.user_agent == "Toto/1.0"
    assert imported.transports == TransportParams(udp=5070, bind=("192.0.2.1",), dscp=26)
    assert imported.digest == DigestPolicy(minimum_algorithm="SHA-256", allow_no_qop=False)
    assert imported.retry == RetryPolicy(base=10.0)
    assert imported.unknown == (
        ("sip", "media_encryption", "none"),
        ("net", "mtu", "1300"),
        ("proxy_0", "publish", "1"),
        ("proxy_0", "x-custom-property:colour", "blue"),
        ("auth_info_0", "available_algorithms", "MD5,SHA-256"),
        ("sound", "playback_dev_id", "ALSA: default"),
    )


def test_a_file_that_says_nothing_leaves_our_defaults() -> None:
    imported = parse("")
    assert imported == Imported(
        accounts=(),
        auth_infos=(),
        default=None,
        user_agent=None,
        transports=TransportParams(),
        digest=DigestPolicy(),
        retry=RetryPolicy(),
        unknown=(),
        problems=(),
    )
    (account,) = parse(f"[proxy_0]\n{ACCOUNT}").accounts
    assert account == ProxyParams("sip:toto@titi.com", server="sip:titi.com")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("reg_identity=sip:titi.com", "reg_identity: expected a URI with a user part, such as sip:alice@example.org"),
        ("reg_identity=<sip:toto@titi.com", "reg_identity: expected '>' behind the URI, then parameters only"),
        ("reg_identity=", "reg_identity: is missing"),
        ("reg_identity=sips:toto@titi.com", "reg_proxy: expected a sips URI, because the identity is one"),
        ("reg_proxy=", "reg_proxy: is missing"),
        ("reg_proxy=sip:224.0.1.75", "reg_proxy: expected a server of its own: registration by multicast"),
        ("reg_route=sip:a.com,<sip:b.com", "reg_route: expected '>' behind the URI"),
        ("reg_expires=0", "reg_expires: expected a whole number of seconds, 1 to 4294967295"),
        ("reg_expires=-5", "reg_expires: expected a whole number of seconds, 1 to 4294967295"),
        ("reg_expires=1h", "reg_expires: expected a whole number"),
        ("reg_sendregister=yes", "reg_sendregister: expected a whole number"),
        ("contact_parameters=expires=60", "contact_parameters: expected a parameter name that the framework does not"),
        ('contact_parameters=a="b', "contact_parameters: expected"),
        ("contact_uri_parameters=transport=tcp", "contact_uri_parameters: expected a parameter name that the"),
        ("supported=a b", "supported: expected option tags, such as path"),
        ("realm=a\x00b", "realm: expected no control characters"),
        ("refkey=a\x00b", "refkey: expected no control characters"),
        ("idkey=a\x00b", "idkey: expected no control characters"),
        ("unregister_at_stop=no", "unregister_at_stop: expected a whole number"),
    ],
)
def test_a_malformed_account_is_told_and_the_others_are_taken(line: str, sentence: str) -> None:
    key = line.partition("=")[0]
    lines = [row for row in ACCOUNT.splitlines() if not row.startswith(key)]
    broken = "\n".join([*lines, line])
    imported = parse(f"[proxy_0]\n{broken}\n[proxy_1]\n{ACCOUNT}")
    assert [str(account.aor) for account in imported.accounts] == ["sip:toto@titi.com"]
    (problem,) = imported.problems
    assert problem.startswith(f"[proxy_0] {sentence}")
    assert problem.endswith("; the account is left out")
    assert imported.unknown == ()


def test_everything_that_is_wrong_with_an_account_is_told() -> None:
    imported = parse("[proxy_0]\nreg_identity=titi.com\nreg_expires=x\ndepends_on=y\n")
    assert [problem.partition(":")[0] for problem in imported.problems] == [
        "[proxy_0] reg_expires", "[proxy_0] reg_identity", "[proxy_0] reg_proxy",
    ]  # fmt: skip
    assert imported.unknown == ()


def test_a_bad_default_is_told_where_it_stands() -> None:
    imported = parse(f"[proxy_default_values]\nreg_expires=x\n[proxy_0]\n{ACCOUNT}[proxy_1]\n{ACCOUNT}reg_expires=60\n")
    assert imported.problems == (
        "[proxy_default_values] reg_expires: expected a whole number; the account is left out",
    )
    assert [account.expires for account in imported.accounts] == [60]


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("sip:titi.com", ""),
        ("sip:titi.com;transport=UDP", ""),
        ("sip:titi.com;transport", ""),
        ("sip:titi.com;transport=tcp", ""),
        ("sip:titi.com;transport=TLS", ""),
        ("sips:titi.com", ""),
        ("sip:titi.com;transport=dtls", "DTLS"),
    ],
)
def test_a_transport_that_is_not_built_is_told(server: str, told: str) -> None:
    sentence = f"asks for {told}, which is not built yet; it cannot register"
    imported = parse(f"[proxy_0]\nreg_identity=sip:toto@titi.com\nreg_proxy=<{server}>\n")
    assert imported.problems == ((f"[proxy_0] reg_proxy: {sentence}",) if told else ())
    routed = parse(f"[proxy_0]\n{ACCOUNT}reg_route=<{server}>,<sip:second.titi.com;transport=tcp>\n")
    assert routed.problems == ((f"[proxy_0] reg_route: {sentence}",) if told else ())
    assert [len(imported.accounts), len(routed.accounts)] == [1, 1]


async def test_the_transports_that_are_built_are_those_of_the_hub() -> None:
    carriers = hub._carriers(TransportParams(), SipTimers(), cast("MessageHandler", None), Stats())
    assert {transport.value.lower() for transport in carriers} == set(_BUILT_TRANSPORTS)


def accounts(*more: str) -> str:
    return "".join(f"[proxy_{number}]\n{ACCOUNT}{lines}\n" for number, lines in enumerate(more))


def test_the_id_is_the_idkey_or_else_the_refkey() -> None:
    imported = parse(accounts("idkey=a\nrefkey=b", "refkey=b", "refkey=b", "", ""))
    assert [account.id for account in imported.accounts] == ["a", "b", None, None, None]
    assert [account.ref_key for account in imported.accounts] == ["b", "b", "b", None, None]
    assert imported.problems == ()


def test_an_id_is_given_once() -> None:
    imported = parse(accounts("idkey=a", "idkey=a\nrefkey=b"))
    assert [account.id for account in imported.accounts] == ["a", None]
    assert imported.problems == ("[proxy_1] idkey: another account has the same; this one gets a random id",)


def test_a_dependency_may_name_a_later_account() -> None:
    imported = parse(accounts("depends_on=b", "refkey=b"))
    assert [account.depends_on for account in imported.accounts] == ["b", None]
    assert imported.problems == ()


@pytest.mark.parametrize("first", ["idkey=a\ndepends_on=a", "idkey=a\ndepends_on=gone", "depends_on=broken"])
def test_a_dependency_on_nobody_is_left_out_as_liblinphone_does(first: str) -> None:
    imported = parse(accounts(first, "idkey=broken\nreg_expires=x"))
    assert [account.depends_on for account in imported.accounts] == [None]
    assert (
        "[proxy_0] depends_on: names no other account that was imported; this one depends on none" in imported.problems
    )


@pytest.mark.parametrize(("number", "default"), [("0", 0), ("2", 1), ("-1", None)])
def test_the_default_account_is_named_by_its_section(number: str, default: int | None) -> None:
    imported = parse(f"[sip]\ndefault_proxy={number}\n" + accounts("", "reg_expires=x", ""))
    assert imported.default == default
    assert len(imported.problems) == 1


@pytest.mark.parametrize("number", ["1", "7", "-2"])
def test_a_default_account_that_is_not_there_is_told(number: str) -> None:
    imported = parse(f"[sip]\ndefault_proxy={number}\n" + accounts("", "reg_expires=x"))
    assert imported.default is None
    assert imported.problems[1:] == ("[sip] default_proxy: names no account that was imported",)


def test_accounts_and_credentials_behind_a_gap_are_kept_aside() -> None:
    imported = parse(f"[proxy_1]\n{ACCOUNT}[auth_info_1]\nusername=toto\npasswd=hunter2\n")
    assert (imported.accounts, imported.auth_infos) == ((), ())
    assert imported.problems == (
        "[proxy_1] is not read, because there is no [proxy_0] before it",
        "[auth_info_1] is not read, because there is no [auth_info_0] before it",
    )
    assert imported.unknown[-1] == ("auth_info_1", "passwd", "hunter2")


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ("passwd=p", "username: expected text that is not empty"),
        ("username=toto", "passwd: expected a password, a ha1 or a client_cert"),
        ("username=toto\npasswd=p\nclient_cert_key=/k.pem", "client_cert_chain: expected a certificate, because"),
        (f"username=toto\nha1={HA1}", "ha1: expected 32 hex digits, together with the realm they were made for"),
        ("username=toto\nrealm=r\nha1=0", "ha1: expected 32 hex digits"),
        (f"username=toto\nrealm=r\nalgorithm=SHA-256\nha1={HA1}", "ha1: expected 64 hex digits"),
        ("username=toto\npasswd=p\nalgorithm=SHA-512", "algorithm: expected MD5, SHA-256 or SHA-512-256"),
        ("username=toto:p\npasswd=p", "userid: expected a name without a colon"),
        ("username=toto\npasswd=p\nrealm=a\x01b", "realm: expected"),
        ("username=toto\npasswd=p\ndomain=a\x01b", "domain: expected"),
        ("username=toto\npasswd=p\x01p", "passwd: expected"),
    ],
)
def test_malformed_credentials_are_told_and_the_others_are_taken(lines: str, sentence: str) -> None:
    imported = parse(f"[auth_info_0]\n{lines}\n[auth_info_1]\nusername=titi\npasswd=p\n")
    assert imported.auth_infos == (AuthInfo("titi", password="p"),)
    (problem,) = imported.problems
    assert problem.startswith(f"[auth_info_0] {sentence}")
    assert problem.endswith("; these credentials are left out")


def test_TLS_9_a_certificate_of_ours_stands_among_the_credentials() -> None:
    lines = "client_cert_chain=/c.pem\nclient_cert_key=/k.pem\nclient_cert_key_password=open"
    imported = parse(f"[auth_info_0]\nusername=toto\n{lines}\n[auth_info_1]\nusername=tata\npasswd=p\n{lines}\n")
    files = {"client_cert": "/c.pem", "client_key": "/k.pem", "key_password": "open"}
    assert imported.auth_infos == (AuthInfo("toto", **files), AuthInfo("tata", password="p", **files))
    assert (imported.problems, imported.unknown) == ((), ())


def test_of_password_and_ha1_the_password_is_taken() -> None:
    imported = parse(f"[auth_info_0]\nusername=toto\npasswd=p\nha1={HA1}\nrealm=r\n")
    assert imported.auth_infos == (AuthInfo("toto", password="p", realm="r"),)
    assert imported.problems == (
        "[auth_info_0] ha1: is left out, because passwd is there and answers for every algorithm",
    )


@pytest.mark.parametrize(
    ("section", "line", "sentence"),
    [
        ("sip", "sip_port=99999", "expected a port, 0 to 65535"),
        ("sip", "bind_address=localhost", "expected an IP address of this machine"),
        ("sip", "dscp=64", "expected a DSCP value, 0 to 63"),
        ("sip", "user_agent=a\tb", "expected text without control characters"),
        ("sip", "refresh_window=90-100", "expected two percentages above 0 and below 100, such as 80-90"),
        ("sip", "refresher_retry_after=0", "expected milliseconds, 1 to 1800000"),
        ("sip", "supported=a b", "expected option tags, such as path"),
        ("sip", "default_proxy=first", "expected a whole number"),
        ("misc", "uuid=1", "expected a UUID, or 0 for none"),
        ("net", "enable_nat_helper=no", "expected a whole number"),
        ("net", "dns_srv_enabled=no", "expected a whole number"),
        ("digest_authentication_policy", "allow_md5=no", "expected a whole number"),
        ("digest_authentication_policy", "allow_no_qop=no", "expected a whole number"),
    ],
)
def test_a_malformed_setting_is_told_and_everything_else_is_taken(section: str, line: str, sentence: str) -> None:
    imported = parse(f"[{section}]\n{line}\n[proxy_0]\n{ACCOUNT}")
    key = line.partition("=")[0]
    rest = f"[proxy_0]\n{ACCOUNT}"
    assert imported.problems == (f"[{section}] {key}: {sentence}; the setting is left out",)
    assert dataclasses.replace(imported, problems=()) == parse(rest)


@pytest.mark.parametrize(
    ("section", "key", "words"),
    [
        ("net", "dns_srv_enabled", "SRV"),
        ("sip", "use_rport", "rport is always asked for"),
        ("sip", "use_ipv6", "IPv6"),
        ("sip", "register_only_when_network_is_up", "core.network_reachable"),
    ],
)
def test_what_cannot_be_switched_off_is_told_to_those_who_did(section: str, key: str, words: str) -> None:
    assert parse(f"[{section}]\n{key}=1\n") == parse("")
    off = parse(f"[{section}]\n{key}=0\n")
    assert off.problems[0].startswith(f"[{section}] {key}: ")
    assert words in off.problems[0]
    assert dataclasses.replace(off, problems=()) == parse("")


def test_no_instance_id_and_md5_allowed() -> None:
    imported = parse(f"[misc]\nuuid=0\n[digest_authentication_policy]\nallow_md5=1\n[proxy_0]\n{ACCOUNT}")
    assert imported.accounts[0].instance_id is None
    assert imported.digest == DigestPolicy()
    assert imported.problems == ()


def test_a_file_is_read_as_octets(tmp_path: Path) -> None:
    path = tmp_path / "linphonerc"
    path.write_bytes(b"\xef\xbb\xbf[auth_info_0]\r\nusername=toto\r\npasswd=caf\xe9\r\n")
    for name in (path, str(path)):
        (info,) = load(name).auth_infos
        assert info.password is not None
        assert info.password.encode("utf-8", "surrogateescape") == b"caf\xe9"


def test_the_first_retry_waits_no_longer_than_in_liblinphone() -> None:
    class Latest(Random):
        def uniform(self, a: float, b: float) -> float:
            return b

    assert parse("[sip]\nrefresher_retry_after=20000\n").retry.delay(1, Latest()) == 20.0


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none")


async def test_what_was_imported_registers() -> None:
    async with Registrar({"toto": "hunter2", "titi": "hunter3"}, realm="titi.com") as registrar:
        imported = linphonerc.parse(
            f"[sip]\nsip_port=-1\nuser_agent=Toto/1.0\ndefault_proxy=1\n"
            f"[proxy_0]\nreg_proxy=<{registrar.uri}>\nreg_identity=sip:toto@titi.com\nidkey=a\n"
            f"[proxy_1]\nreg_proxy=<{registrar.uri}>\nreg_identity=sip:titi@titi.com\nrealm=titi.com\n"
            "[auth_info_0]\nusername=toto\npasswd=hunter2\n"
            "[auth_info_1]\nusername=titi\npasswd=hunter3\nrealm=titi.com\n"
        )
        assert imported.problems == ()
        async with Core(
            auth=imported.auth_infos,
            user_agent=imported.user_agent,
            transports=imported.transports,
            digest=imported.digest,
            retry=imported.retry,
        ) as core:
            proxies = [core.add_proxy_config(params) for params in imported.accounts]
            for proxy in proxies:
                await proxy.registered(timeout=10)
            assert [proxy.state for proxy in proxies] == [RegistrationState.OK] * 2
            assert registrar.requests[0].request.headers.get("User-Agent") == "Toto/1.0"


SECRET = "hunter2SECRET"
SECTIONS = ("sip", "net", "misc", "proxy_0", "proxy_1", "auth_info_0", "auth_info_1", "proxy_default_values", "other")
KEYS = (
    "reg_proxy", "reg_identity", "reg_route", "reg_expires", "reg_sendregister", "contact_uri_parameters",
    "contact_parameters", "realm", "idkey", "refkey", "depends_on", "supported", "sip_port", "bind_address", "uuid",
    "default_proxy", "refresh_window", "username", "userid", "ha1", "algorithm", "domain",
)  # fmt: skip
VALUES = (
    "", "0", "1", "-1", "sip:toto@titi.com", "<sip:titi.com>", "titi.com", "a=b;c", "90-90", HA1, "MD5", "toto",
)  # fmt: skip
SECRET_KEYS = ("passwd", "ha1", "client_secret", "access_token", "reg_expires", "sip_port", "uuid", "refresh_window")
URI_KEYS = ("reg_proxy", "reg_identity", "reg_route")
URIS = (
    f"sip:toto:{SECRET}@titi.com", f'"x" <sip:toto:{SECRET}@titi.com>', f"<sip:a:{SECRET}@b>,<sip:c:{SECRET}@d>",
    f"sip:a b:{SECRET}@c", f"<sip:a:{SECRET}@", f'"{SECRET}', SECRET, f"toto:{SECRET}", f"<sip:a@b>;{SECRET}",
)  # fmt: skip
LINE = st.one_of(
    st.sampled_from(SECTIONS).map("[{}]".format),
    st.tuples(st.sampled_from(KEYS), st.sampled_from(VALUES) | st.text()).map("=".join),
    st.sampled_from(SECRET_KEYS).map(f"{{}}={SECRET}".format),
    st.tuples(st.sampled_from(URI_KEYS), st.sampled_from(URIS)).map("=".join),
    st.sampled_from([SECRET, f"[{SECRET}", f"={SECRET}", f"username=toto:{SECRET}", "[proxy_0] x", "# comment"]),
    st.text(st.characters(exclude_categories=())),
)


@given(st.lists(LINE, max_size=40).map("\n".join))
@example(WHOLE)
@example(f"[proxy_0]\nreg_identity=sip:toto:{SECRET}@titi.com\nreg_proxy=sip:a:{SECRET}@titi.com\n")
@example(f"[auth_info_0]\nusername=toto\npasswd={SECRET}\nha1={SECRET}\nclient_secret={SECRET}\n")
def test_whatever_the_text_is_it_is_read_and_no_secret_is_shown(text: str) -> None:
    imported = parse(text)
    told = "\n".join(imported.problems)
    assert SECRET not in told
    assert SECRET not in repr(imported.unknown) + repr(imported.auth_infos)
    assert all(problem.startswith(("[", "line ")) for problem in imported.problems)
    assert imported.default is None or imported.default < len(imported.accounts)
    ids = [account.id for account in imported.accounts if account.id is not None]
    assert len(ids) == len(set(ids))
    assert all(account.depends_on in (None, *ids) for account in imported.accounts)


@given(st.lists(st.tuples(st.sampled_from(SECTIONS), st.sampled_from(["x", "y", "publish"]), st.sampled_from("ab"))))
def test_what_is_not_known_is_kept_in_order(entries: list[tuple[str, str, str]]) -> None:
    latest: dict[str, dict[str, str]] = {}
    for section, key, value in entries:
        latest.setdefault(section, {})[key] = value
    text = "".join(f"[{section}]\n{key}={value}\n" for section, key, value in entries)
    assert parse(text).unknown == tuple(
        Entry(section, *entry) for section, values in latest.items() for entry in values.items()
    )
