"""The settings of an account: what they become, and what is refused."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import pickle
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.auth import AuthInfo
from aiosipreg.errors import ConfigError
from aiosipreg.params import SETTABLE, ExpiresIn, NatMode, ProxyParams, Redirect, auth_source
from aiosipreg.settings import TlsParams
from aiosipreg.wire import NameAddr, SipUri

if TYPE_CHECKING:
    from aiosipreg.auth import AuthChallenge

TOTO = "sip:toto@example.org"
INFO = AuthInfo("toto", password="planted-secret")
CONTROLS = [chr(code) for code in (*range(32), 127)]


def account(**values: Any) -> ProxyParams:
    return ProxyParams(values.pop("identity", TOTO), **values)


def refused(**values: Any) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        account(**values)
    return caught.value


def assert_refused(values: dict[str, Any], field: str, value: object, expected: str) -> None:
    error = refused(**values)
    assert (error.field, error.value, error.expected) == (field, value, expected)


async def ask(challenge: AuthChallenge) -> AuthInfo | None:
    return None


# Identity and server


@pytest.mark.parametrize(
    ("identity", "aor", "registrar"),
    [
        ("sip:toto@example.org", "sip:toto@example.org", "sip:example.org"),
        ("toto@example.org", "sip:toto@example.org", "sip:example.org"),
        ("SIP:Toto@Example.org", "SIP:Toto@Example.org", "sip:Example.org"),
        ("sips:toto@example.org", "sips:toto@example.org", "sips:example.org"),
        ("<sip:toto@example.org>", "sip:toto@example.org", "sip:example.org"),
        ('"Toto, T." <sip:toto@example.org;user=phone>;x=1', "sip:toto@example.org", "sip:example.org"),
        ("Toto <sip:toto@example.org>", "sip:toto@example.org", "sip:example.org"),
        ("sip:toto@example.org:5070;transport=tcp", "sip:toto@example.org", "sip:example.org:5070;transport=tcp"),
        ("sip:toto@h;lr;maddr=192.0.2.1;ttl=1;user=phone;method=INVITE?Subject=x", "sip:toto@h", "sip:h"),
        ("sip:+1-2;isub=3@h", "sip:+1-2;isub=3@h", "sip:h"),
        ("sip:a%3Bb%40c@h", "sip:a%3Bb%40c@h", "sip:h"),
        ("sip:a%0Db@h", "sip:a%0Db@h", "sip:h"),
        ("sip:toto@[2001:db8::1]:5070", "sip:toto@[2001:db8::1]", "sip:[2001:db8::1]:5070"),
        (SipUri.parse("sip:toto@example.org:5070"), "sip:toto@example.org", "sip:example.org:5070"),
    ],
)
def test_URI_12_REG_1_address_of_record_and_registrar(identity: str, aor: str, registrar: str) -> None:
    params = ProxyParams(identity)
    assert str(params.aor).lower() == aor.lower()
    assert params.aor.user == SipUri.parse(aor).user
    assert (str(params.registrar), params.identity) == (registrar, str(identity))
    assert params.aor.params == params.aor.headers == {}


@pytest.mark.parametrize(
    ("server", "registrar"),
    [
        ("reg.example.org", "sip:reg.example.org"),
        ("reg.example.org:5070", "sip:reg.example.org:5070"),
        ("192.0.2.1;transport=tcp", "sip:192.0.2.1;transport=tcp"),
        ("[2001:db8::1]:5070", "sip:[2001:db8::1]:5070"),
        ("sip:someone@reg.example.org;x?Subject=y", "sip:reg.example.org;x"),
        ("sips:reg.example.org", "sips:reg.example.org"),
        (SipUri.parse("sip:reg.example.org"), "sip:reg.example.org"),
    ],
)
def test_REG_1_registrar_has_neither_user_nor_headers(server: str, registrar: str) -> None:
    params = account(server=server)
    assert (str(params.registrar), params.server) == (registrar, str(server))


def test_REG_1_server_wins_over_what_the_identity_says() -> None:
    params = ProxyParams("sip:toto@example.org:5070;transport=tcp", server="reg.example.org")
    assert str(params.registrar) == "sip:reg.example.org"


URI = "a sip or sips URI"


@pytest.mark.parametrize("field", ["identity", "server"])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, URI),
        (5, URI),
        (NameAddr.parse("<sip:toto@h>"), URI),
        ("", f"{URI}: a host name, an IPv4 address or an IPv6 address in brackets"),
        ("sip:", f"{URI}: a host name, an IPv4 address or an IPv6 address in brackets"),
        (" sip:toto@h", f"{URI}: no blank, control character or angle bracket"),
        ("sip:toto@h ", f"{URI}: no blank, control character or angle bracket"),
        ("toto@h:0", f"{URI}: a port from 1 to 65535"),
        ("sip:toto@ex%61mple.com", f"{URI}: a host name, an IPv4 address or an IPv6 address in brackets"),
        ("tel:+1234", f"{URI}: a port from 1 to 65535"),
        ("http://example.org", f"{URI}: a port from 1 to 65535"),
        ("sips:toto@h;transport=UDP", "a sips URI without transport=udp: sips needs TLS"),
        (SipUri.parse("sips:toto@h;transport=udp"), "a sips URI without transport=udp: sips needs TLS"),
        ("sip:toto@224.0.1.75", "a server of its own: registration by multicast is not built"),
        ("sip:toto@[ff02::1]", "a server of its own: registration by multicast is not built"),
        ("sip:toto@h;maddr=239.1.2.3", "a server of its own: registration by multicast is not built"),
        (SipUri.parse("sip:toto@224.0.1.75"), "a server of its own: registration by multicast is not built"),
    ],
)
def test_URI_13_REG_39_addresses_that_cannot_work(field: str, value: object, expected: str) -> None:
    if (field, value) == ("server", None):
        assert account(server=None).server is None
    else:
        shown = value if not isinstance(value, SipUri) else str(value)
        assert_refused({field: value}, field, shown, expected)


def test_REG_39_unicast_maddr_is_fine() -> None:
    assert str(account(server="sip:h;maddr=192.0.2.1").registrar) == "sip:h;maddr=192.0.2.1"


@pytest.mark.parametrize("identity", ["sip:example.org", "example.org", "<sip:example.org>"])
def test_identity_needs_a_user(identity: str) -> None:
    error = refused(identity=identity)
    assert (error.field, error.expected) == ("identity", "a URI with a user part, such as sip:alice@example.org")


@pytest.mark.parametrize(
    ("identity", "expected"),
    [
        ("<tel:+1234>", URI),
        ("<sip:toto@h", f"{URI}: '>' behind the URI, then parameters only"),
        ('"Toto <sip:toto@h>', f"{URI}: a closed quoted string"),
        ("<sips:toto@h;transport=udp>", "a sips URI without transport=udp: sips needs TLS"),
        ('"T\nT" <sip:toto@h>', f"{URI}: no control characters or line breaks"),
    ],
)
def test_SEC_11_identity_in_brackets_is_checked_as_well(identity: str, expected: str) -> None:
    error = refused(identity=identity)
    assert (error.field, error.expected) == ("identity", expected)


def test_SIPS_1_sips_identity_needs_a_sips_registrar() -> None:
    values = {"identity": "sips:toto@example.org", "server": "reg.example.org"}
    expected = "a sips URI, because the identity is one"
    assert_refused(values, "server", "sip:reg.example.org", expected)
    assert ProxyParams("sips:toto@example.org", server="sips:reg.example.org").registrar.secure


@pytest.mark.parametrize(("identity", "server"), [("sips:toto@a.b", None), ("sip:toto@a.b", "sips:a.b")])
def test_WS_8_a_sips_account_has_no_way_by_websocket_in_clear_text(identity: str, server: str | None) -> None:
    values = {"identity": identity, "server": server, "routes": ("sips:p.a.b", "sip:p.a.b;transport=WS")}
    expected = "a sips URI or transport=wss, because the account is sips"
    assert_refused(values, "routes", "sip:p.a.b;transport=WS", expected)
    assert account(**{**values, "routes": ("sips:p.a.b;transport=ws", "sip:p.a.b;transport=wss")}).routes
    assert account(routes=values["routes"]).routes


def test_WS_8_a_websocket_server_of_a_sips_account_is_secure() -> None:
    refused(identity="sips:toto@example.org", server="sip:example.org;transport=ws")
    assert account(identity="sips:toto@example.org", server="sips:example.org;transport=ws").registrar.secure


@pytest.mark.parametrize("field", ["identity", "server", "routes", "backup_servers"])
@pytest.mark.parametrize(
    "uri",
    [
        "sip:toto:planted@h",
        "toto:planted@h",
        SipUri.parse("sip:toto:planted@h"),
        "<sip:toto:planted@h>",
        "sip:toto:plan\nted@h",
        "sip:toto:planted@h:x",
        "sip:toto:planted@h;transport=udp;transport=tcp",
        "<sip:toto:planted@h",
        "<sip:toto:planted\0@h>",
    ],
)
def test_SEC_9_password_in_a_uri_is_refused_and_hidden(field: str, uri: object) -> None:
    error = refused(**{field: (uri,) if field in ("routes", "backup_servers") else uri})
    assert error.field == field
    assert "planted" not in f"{error!s} {error!r} {error.__cause__!r}"
    assert "(hidden)" in str(error)


# Routes


@pytest.mark.parametrize(
    ("route", "text"),
    [
        ("proxy.example.org", "sip:proxy.example.org;lr"),
        ("sip:proxy.example.org;lr", "sip:proxy.example.org;lr"),
        ("<sip:proxy.example.org:5070;lr=on>", "sip:proxy.example.org:5070;lr=on"),
        ("sips:proxy.example.org;transport=tcp", "sips:proxy.example.org;transport=tcp;lr"),
        ("sip:a%3Bb@proxy.example.org", "sip:a%3Bb@proxy.example.org;lr"),
        (SipUri.parse("sip:proxy.example.org"), "sip:proxy.example.org;lr"),
    ],
)
def test_REG_30_outbound_proxy_is_a_loose_router(route: str, text: str) -> None:
    assert account(routes=[route]).routes == (text,)


@pytest.mark.parametrize(
    "route", ["", None, "<sip:proxy.example.org", "sip:p>;lr", "sips:p;transport=udp", "sip:224.0.1.75", "sip:p?x\r\n"]
)
def test_REG_30_route_that_cannot_work(route: str) -> None:
    error = refused(routes=(route,))
    assert (error.field, error.value) == ("routes", route)
    assert "URI" in error.expected or "multicast" in error.expected


def test_SEC_11_line_break_around_a_route_is_not_cleaned_away() -> None:
    for route in ("sip:p\r\n", "\nsip:p", "<sip:p>\r\n", "\t<sip:p>"):
        assert refused(routes=(route,)).field == "routes"


@pytest.mark.parametrize("field", ["routes", "backup_servers", "supported", "headers", "redirect_hosts"])
@pytest.mark.parametrize("value", ["sip:p", {"a": "b"}, 5])
def test_lists_are_lists(field: str, value: object) -> None:
    assert_refused({field: value}, field, value, "a tuple")


# Numbers, words and switches


@pytest.mark.parametrize("value", [1, 3600, 2**32 - 1])
def test_REG_8_lifetimes(value: int) -> None:
    assert account(expires=value).expires == value


@pytest.mark.parametrize("value", [0, -1, 2**32, 3600.0, True, "3600", None, math.nan])
def test_REG_8_lifetimes_out_of_range(value: object) -> None:
    error = refused(expires=value)
    assert (error.field, error.expected) == ("expires", "a whole number of seconds, 1 to 4294967295")
    assert error.value is value


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("register", "bool"),
        ("unregister_at_stop", "bool"),
        ("strict_binding", "bool"),
        ("retry_403", "bool"),
        ("nat", "NatMode"),
        ("lifetime_in", "ExpiresIn"),
        ("redirect", "Redirect"),
    ],
)
@pytest.mark.parametrize("value", ["off", "both", None, 1])
def test_switches_are_what_they_are(field: str, kind: str, value: object) -> None:
    assert_refused({field: value}, field, value, f"a {kind}")


def test_switches_are_kept() -> None:
    params = account(
        register=False,
        unregister_at_stop=False,
        strict_binding=True,
        retry_403=True,
        nat=NatMode.OFF,
        lifetime_in=ExpiresIn.NOWHERE,
        redirect=Redirect.ANY,
        redirect_hosts=["edge.example.net"],
    )
    assert [params.register, params.unregister_at_stop, params.strict_binding, params.retry_403] == [
        False, False, True, True,
    ]  # fmt: skip
    assert (params.nat, params.lifetime_in, params.redirect) == (NatMode.OFF, ExpiresIn.NOWHERE, Redirect.ANY)
    assert params.redirect_hosts == ("edge.example.net",)


TEXTS = ["realm", "depends_on", "ref_key", "id", "instance_id"]


@pytest.mark.parametrize("field", TEXTS)
@pytest.mark.parametrize("value", ["", " ", 5, ("a",)])
def test_texts_are_texts(field: str, value: object) -> None:
    assert_refused({field: value}, field, value, "text that is not empty")


@pytest.mark.parametrize("value", ["uuid:1", "urn:", "urn:a b", "<urn:uuid:1>", 'urn:"x"', "urn:uuid:1>"])
def test_OUTB_1_instance_id_is_a_urn(value: str) -> None:
    assert_refused({"instance_id": value}, "instance_id", value, 'a URN such as "urn:uuid:..."')


def test_OUTB_1_instance_id_is_kept() -> None:
    urn = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"
    assert account(instance_id=urn).instance_id == urn


@pytest.mark.parametrize("window", [(0.1, 0.1), (0.5, 0.9), (0.2, 0.999)])
def test_REG_19_refresh_window(window: tuple[float, float]) -> None:
    assert account(refresh_window=window).refresh_window == window


@pytest.mark.parametrize(
    ("window", "limit"),
    [
        ((0.5, 1), "<"), ((1, 1), "<"), ((0, 0.5), "<="), ((0.9, 0.5), "<="), ((0.5, 1.5), "<="), ((0.5,), "<="),
        (0.5, "<="), ("ab", "<="), ((math.nan, 0.5), "<="),
    ],
)  # fmt: skip
def test_REG_19_refresh_window_that_cannot_work(window: object, limit: str) -> None:
    assert_refused({"refresh_window": window}, "refresh_window", window, f"two shares with 0 < low <= high {limit} 1")


# Contact and headers


@pytest.mark.parametrize("field", ["contact_params", "contact_uri_params"])
def test_REG_7_parameters_of_the_contact(field: str) -> None:
    params = account(**{field: {"Ob": None, "x": "a b"}})
    assert getattr(params, field) == {"ob": None, "x": "a b"}
    with pytest.raises(TypeError):
        getattr(params, field)["y"] = "z"


OWN_NAME = "a parameter name that the framework does not set itself"


@pytest.mark.parametrize(
    ("field", "names"),
    [
        ("contact_params", ["expires", "Expires", "+sip.instance", "reg-id", "pub-gruu", "temp-gruu", "action"]),
        ("contact_uri_params", ["lr", "method", "transport", "Transport", "maddr", "ttl"]),
    ],
)
def test_SEC_13_URI_12_parameters_of_the_machine(field: str, names: list[str]) -> None:
    for name in (*names, "", "a b", "a;b", "a=b", "ä", "a\r\n", 5):
        assert_refused({field: {name: "x"}}, field, name, OWN_NAME)


@pytest.mark.parametrize("field", ["contact_params", "contact_uri_params"])
def test_parameters_are_mappings_of_texts(field: str) -> None:
    for value in ("a=b", [("a", "b")], 5, None):
        assert_refused({field: value}, field, value, "a mapping of names to texts, or to None")
    for text in ("", " ", 5):
        assert_refused({field: {"a": text}}, f"{field}[a]", text, "text that is not empty")


@pytest.mark.parametrize("q", ["0", "1", "0.7", "0.123", "1.000"])
def test_REG_7_q(q: str) -> None:
    assert account(contact_params={"Q": q}).contact_params["q"] == q


@pytest.mark.parametrize("q", ["0.12345", "1.1", "-1", "2", ".5", "x", None])
def test_REG_7_q_that_is_none(q: str | None) -> None:
    assert_refused({"contact_params": {"q": q}}, "contact_params[q]", q, "0 to 1 with at most three decimals")


def test_headers_are_kept_in_order() -> None:
    headers = (("X-B", "1"), ("X-A", "ä, b"), ("x-b", "3"))
    assert account(headers=headers).headers == headers
    assert account(headers=[list(pair) for pair in headers]).headers == headers


@pytest.mark.parametrize(
    "name",
    [
        "Via", "v", "From", "f", "To", "t", "Call-ID", "i", "CSeq", "Max-Forwards", "Contact", "m", "Expires",
        "Content-Length", "l", "L", "authorization", "Proxy-Authorization", "Route", "Supported", "k", "User-Agent",
        "", "X A", "X-A:", "X\r\nVia", "Ä", 5, None,
    ],
)  # fmt: skip
def test_SEC_13_headers_of_the_machine(name: str) -> None:
    expected = "a header name that the framework does not set itself"
    assert_refused({"headers": ((name, "x"),)}, "headers", name, expected)


@pytest.mark.parametrize("entry", ["X-A: 1", ("X-A",), ("X-A", "1", "2"), None])
def test_headers_are_pairs(entry: object) -> None:
    assert_refused({"headers": (entry,)}, "headers", entry, "pairs of name and value")


@pytest.mark.parametrize("value", ["", " \t", None, 5])
def test_header_values_are_texts(value: object) -> None:
    assert_refused({"headers": (("X-A", value),)}, "headers[X-A]", value, "text that is not empty")


def test_MSG_21_option_tags() -> None:
    assert account(supported=["path", "gruu"]).supported == ("path", "gruu")
    assert (account(supported=()).supported, account().supported) == ((), None)
    for tag in ("", "a b", "a,b", "a\r\n", 5):
        assert_refused({"supported": ("path", tag)}, "supported", tag, "option tags, such as path")


# Injection


TEXT_FIELDS: dict[str, Any] = {
    "identity": lambda text: {"identity": text},
    "identity user": lambda text: {"identity": f"sip:{text}@example.org"},
    "identity in brackets": lambda text: {"identity": f'"{text}" <sip:toto@example.org>'},
    "identity parameter": lambda text: {"identity": f"<sip:toto@example.org>;x={text}"},
    "server": lambda text: {"server": text},
    "server host": lambda text: {"server": f"sip:{text}"},
    "routes": lambda text: {"routes": (text,)},
    "second route": lambda text: {"routes": ("sip:p", f"<sip:{text}>")},
    "realm": lambda text: {"realm": text},
    "contact_params name": lambda text: {"contact_params": {text: "x"}},
    "contact_params value": lambda text: {"contact_params": {"x": text}},
    "contact_uri_params name": lambda text: {"contact_uri_params": {text: None}},
    "contact_uri_params value": lambda text: {"contact_uri_params": {"x": text}},
    "header name": lambda text: {"headers": ((text, "x"),)},
    "header value": lambda text: {"headers": (("X-A", text),)},
    "supported": lambda text: {"supported": (text,)},
    "instance_id": lambda text: {"instance_id": f"urn:{text}"},
    "depends_on": lambda text: {"depends_on": text},
    "ref_key": lambda text: {"ref_key": text},
    "id": lambda text: {"id": text},
    "redirect_hosts": lambda text: {"redirect_hosts": (text,)},
}


@pytest.mark.parametrize("field", TEXT_FIELDS)
@pytest.mark.parametrize("control", CONTROLS, ids=ascii)
def test_SEC_11_control_characters_are_refused_in_every_field(field: str, control: str) -> None:
    for text in (control, f"a{control}", f"{control}a", f"a{control}b"):
        refused(**TEXT_FIELDS[field](text))


@given(
    st.sampled_from(sorted(TEXT_FIELDS)),
    st.text(st.characters(blacklist_categories=["Cs"])),
    st.sampled_from([*CONTROLS, "\ud800", "\r\nEvil: yes"]),
    st.text(),
)
def test_SEC_11_no_text_around_a_control_character_helps(field: str, before: str, control: str, behind: str) -> None:
    refused(**TEXT_FIELDS[field](f"{before}{control}{behind}"))


# Credentials


def test_credentials_in_three_forms() -> None:
    assert account(auth=INFO).auth == (INFO,)
    assert account(auth=iter([INFO, INFO])).auth == (INFO, INFO)
    assert account(auth=ask).auth is ask
    assert account(auth=()).auth is None
    assert account().auth is None


def test_provider_may_be_anything_async() -> None:
    class Vault:
        async def __call__(self, challenge: AuthChallenge) -> AuthInfo | None:
            return None

    vault = Vault()
    assert auth_source("auth", vault) is vault
    bound = functools.partial(ask)
    assert auth_source("auth", bound) is bound


@pytest.mark.parametrize("source", [lambda challenge: None, AuthInfo, functools.partial(print)])
def test_plain_function_is_no_provider(source: Any) -> None:
    with pytest.raises(TypeError, match=r"^auth: an auth provider must be an `async` function, not a plain one$"):
        account(auth=source)


@pytest.mark.parametrize(
    ("source", "kind"),
    [("planted-secret", "str"), (["planted-secret"], "str"), (5, "int"), ([INFO, None], "NoneType"), (b"x", "int")],
)
def test_SEC_9_something_else_is_no_credentials(source: Any, kind: str) -> None:
    expected = f"^core.auth: expected AuthInfo objects or one async function, got {kind}$"
    with pytest.raises(TypeError, match=expected):
        auth_source("core.auth", source)


def test_SEC_9_secrets_of_an_account_are_not_shown() -> None:
    params = account(auth=[INFO, AuthInfo("toto", ha1="f00dcafe" * 4, realm="r")])
    for text in (repr(params), str(params), repr(params.replace(expires=60))):
        assert "planted" not in text
        assert "f00dcafe" not in text
        assert "toto" in text


# The value as a whole


def test_params_are_values() -> None:
    params = account(auth=INFO, contact_params={"a": "b"}, headers=[("X-A", "1")])
    same = account(auth=[INFO], contact_params={"A": "b"}, headers=(("X-A", "1"),))
    assert params == same
    assert hash(params) == hash(same)
    assert params != same.replace(expires=60)
    assert pickle.loads(pickle.dumps(params)) == params
    with pytest.raises(dataclasses.FrozenInstanceError):
        params.expires = 60  # type: ignore[misc]
    assert not hasattr(params, "__dict__")


def test_replace_checks_again() -> None:
    params = account(expires=600)
    changed = params.replace(identity="sip:titi@example.net:5070")
    assert (str(changed.aor), str(changed.registrar), changed.expires) == (
        "sip:titi@example.net", "sip:example.net:5070", 600,
    )  # fmt: skip
    assert params.identity == TOTO
    with pytest.raises(ConfigError):
        params.replace(expires=0)
    with pytest.raises(TypeError):
        params.replace(lifetime=5)
    assert params.replace() == params


def test_settable_fields_are_all_but_the_derived_ones() -> None:
    names = {entry.name for entry in dataclasses.fields(ProxyParams)}
    assert names - set(SETTABLE) == {"aor", "registrar", "sender", "further_contacts"}
    assert SETTABLE[0] == "identity"


def test_keywords_are_keywords() -> None:
    with pytest.raises(TypeError):
        ProxyParams(TOTO, "sip:reg.example.org")  # type: ignore[call-arg]


def test_all_fields_have_names_and_defaults_that_can_be_looked_up() -> None:
    assert ProxyParams(identity=TOTO) == account()
    given = inspect.signature(ProxyParams).parameters
    assert tuple(given) == SETTABLE
    assert (given["expires"].default, given["expires"].kind) == (3600, inspect.Parameter.KEYWORD_ONLY)


@dataclasses.dataclass(frozen=True, slots=True)
class Priced(ProxyParams):
    price: int = dataclasses.field(kw_only=True)


class Named(ProxyParams):
    name = "a name"


def test_a_class_that_is_derived_is_checked_likewise() -> None:
    priced = Priced(TOTO, server="reg.example.org", price=7)
    assert (priced.price, str(priced.aor), str(priced.registrar)) == (7, TOTO, "sip:reg.example.org")
    named = Named("toto@example.org", auth=INFO)
    assert (type(named), named.name, str(named.aor), named.auth) == (Named, "a name", TOTO, (INFO,))
    with pytest.raises(ConfigError):
        Priced(TOTO, price=7, expires=0)
    with pytest.raises(ConfigError):
        Named("example.org")


# Third parties, strict routers, further Contacts


def test_REG_32_registered_by_is_brought_to_its_clean_form() -> None:
    params = ProxyParams(TOTO, registered_by='"Boss" <sip:boss@example.com:5070;transport=udp>')
    assert (str(params.sender), str(params.aor)) == ("sip:boss@example.com", TOTO)
    assert ProxyParams(TOTO).sender == ProxyParams(TOTO).aor


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"contact_params": {"audio": None, "AUDIO": "x"}}, "contact_params"),  # CAP-4
        ({"registered_by": "sip:example.com"}, "registered_by"),
        ({"registered_by": "mailto:a@b"}, "registered_by"),
        ({"registered_by": "sip:boss@example.com", "instance_id": "urn:uuid:1"}, "instance_id"),
        ({"loose_routing": "no"}, "loose_routing"),
        ({"extra_contacts": "<sip:a@b>"}, "extra_contacts"),
        ({"extra_contacts": (7,)}, "extra_contacts"),
        ({"extra_contacts": ("*",)}, "extra_contacts"),
        ({"extra_contacts": ("<sip:a@b",)}, "extra_contacts"),
        ({"extra_contacts": ("<sip:a@b>;expires=0",)}, "extra_contacts"),
        ({"extra_contacts": ("<sip:a@b>;expires=soon",)}, "extra_contacts"),
        ({"extra_contacts": ("<sip:a@b>;q=2",)}, "contact_params[q]"),
        ({"extra_contacts": ("<sip:a@b>;reg-id=1",)}, "contact_params"),
        ({"extra_contacts": ("<sip:a@b>",), "identity": "sips:a@b"}, "extra_contacts"),
        ({"extra_contacts": ("<mailto:a@b>",), "identity": "sips:a@b"}, "extra_contacts"),
    ],
)
def test_they_are_refused_when_they_cannot_work(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ProxyParams(**{"identity": TOTO, **changes})
    assert caught.value.field == field


def test_REG_9_a_sips_account_registers_sips_contacts() -> None:
    params = ProxyParams("sips:toto@sip.titi.com", extra_contacts=("<sips:toto@desk.example.org>",))
    assert params.further_contacts[0].uri == SipUri.parse("sips:toto@desk.example.org")


@pytest.mark.parametrize(
    ("one", "other", "twins"),
    [
        ("sip:toto@desk.titi.com", "sips:toto@DESK.titi.com;x", True),
        ("sips:toto@desk.titi.com:5061", "sip:toto@desk.titi.com:5061", True),
        ("sip:toto@desk.titi.com", "sip:toto@desk.titi.com;x", False),
        ("sip:toto@desk.titi.com", "sips:toto@desk.titi.com:5061", False),
        ("sip:toto@desk.titi.com", "sips:tata@desk.titi.com", False),
        ("sip:toto@desk.titi.com", "mailto:toto@desk.titi.com", False),
        ("mailto:toto@desk.titi.com", "sips:toto@desk.titi.com", False),
    ],
)
def test_SIPS_4_one_contact_has_one_scheme(one: str, other: str, twins: bool) -> None:
    contacts = (f"<{one}>;q=0.5", "<tel:+49>", f"<{other}>")
    if not twins:
        assert len(ProxyParams(TOTO, extra_contacts=contacts).further_contacts) == 3
        return
    with pytest.raises(ConfigError, match="one scheme for one contact") as caught:
        ProxyParams(TOTO, extra_contacts=contacts)
    assert (caught.value.field, caught.value.value) == ("extra_contacts", f"<{other}>")


def test_further_contacts_are_given_as_text_or_as_addresses() -> None:
    address = NameAddr.parse("<mailto:toto@titi.com>;q=0.1")
    assert ProxyParams(TOTO, extra_contacts=(address,)) == ProxyParams(TOTO, extra_contacts=(str(address),))


def test_backup_servers_are_registrars_as_the_server_is() -> None:
    params = ProxyParams(TOTO, backup_servers=("b.titi.com", "sip:me@c.titi.com:5070;transport=udp?a=b"))
    assert params.backup_servers == ("sip:b.titi.com", "sip:c.titi.com:5070;transport=udp")
    assert params.registrar == ProxyParams(TOTO).registrar
    assert params.replace(backup_servers=()).backup_servers == ProxyParams(TOTO).backup_servers == ()


@pytest.mark.parametrize(
    "changes",
    [
        {"backup_servers": ("sip:b.titi.com",), "server": "sips:a.titi.com"},
        {"backup_servers": ("sip:b.titi.com",), "identity": "sips:toto@titi.com"},
        {"backup_servers": ("mailto:b@titi.com",)},
        {"backup_servers": ("sip:b.titi.com",) * 9},
        {"backup_servers": "sip:b.titi.com"},
    ],
)
def test_SEC_19_backup_servers_that_cannot_work(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError) as caught:
        ProxyParams(**{"identity": TOTO, **changes})
    assert caught.value.field == "backup_servers"


def test_REG_30_lr_is_added_unless_strict_routers_are_wanted() -> None:
    assert ProxyParams(TOTO, routes=("sip:a.example",)).routes == ("sip:a.example;lr",)
    assert ProxyParams(TOTO, routes=("sip:a.example",), loose_routing=False).routes == ("sip:a.example",)


def test_tls_is_a_value_of_its_own() -> None:
    assert ProxyParams("sip:toto@titi.com", tls=TlsParams(wildcards=False)).tls == TlsParams(wildcards=False)
    wrong: Any = "ca.pem"
    with pytest.raises(ConfigError, match="expected a TlsParams"):
        ProxyParams("sip:toto@titi.com", tls=wrong)


PROXIES = ("edge1.example.org", "<sip:edge2.example.org;transport=tcp>")


def test_OUTB_5_6_the_settings_of_each_flow() -> None:
    params = ProxyParams(TOTO, outbound_proxies=PROXIES, routes=("sip:core.example.org",), expires=60)
    assert params.outbound_proxies == ("sip:edge1.example.org;lr", "sip:edge2.example.org;transport=tcp;lr")
    one, two = params.flows()
    assert one.routes == ("sip:edge1.example.org;lr", "sip:core.example.org;lr")
    assert two.routes == ("sip:edge2.example.org;transport=tcp;lr", "sip:core.example.org;lr")
    for own in (one, two):
        assert (own.outbound, own.outbound_proxies, own.expires) == (True, (), 60)
        assert own.flows() == (own,)
    plain = ProxyParams(TOTO)
    assert plain.flows() == (plain,)


def test_OUTB_6_outbound_proxies_are_loose_routers_whatever_the_routes_are() -> None:
    params = ProxyParams(TOTO, outbound_proxies=PROXIES, routes=("sip:core.example.org",), loose_routing=False)
    assert params.flows()[0].routes == ("sip:edge1.example.org;lr", "sip:core.example.org")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"outbound_proxies": "sip:edge.example.org"}, "outbound_proxies"),
        ({"outbound_proxies": ("sip:",)}, "outbound_proxies"),
        ({"outbound_proxies": ("sip:a.example.org", "a.example.org")}, "outbound_proxies"),
        ({"outbound_proxies": tuple(f"sip:edge{number}.example.org" for number in range(9))}, "outbound_proxies"),
        ({"outbound": 1}, "outbound"),
        ({"outbound": True, "registered_by": "sip:boss@example.org"}, "registered_by"),
        ({"outbound": True, "extra_contacts": ("<sip:toto@192.0.2.7>",)}, "extra_contacts"),
        ({"outbound_proxies": PROXIES, "extra_contacts": ("<sip:toto@192.0.2.7>",)}, "extra_contacts"),
    ],
)
def test_OUTB_9_REG_32_outbound_that_cannot_work(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ConfigError) as caught:
        ProxyParams(TOTO, **changes)
    assert caught.value.field == field


def test_the_server_that_accounts_have_in_common_is_kept_once() -> None:
    one, other = (ProxyParams(f"sip:{user}@example.org", server="sip:reg.example.org;lr") for user in ("toto", "titi"))
    assert one.registrar is other.registrar
    # Equal by RFC 3261 19.1.4, and not the same.
    assert str(ProxyParams("sip:toto@example.org", server="sip:reg.example.org").registrar) == "sip:reg.example.org"


@pytest.mark.parametrize("value", [[], b"sip:reg.example.org"])
def test_a_server_that_is_no_text_is_refused(value: Any) -> None:
    assert_refused({"identity": "sip:toto@example.org", "server": value}, "server", value, "a sip or sips URI")


@pytest.mark.parametrize(
    "name",
    ["backup_servers", "routes", "outbound_proxies", "extra_contacts", "headers", "supported", "redirect_hosts",
     "path_hosts"],
)  # fmt: skip
def test_an_empty_list_is_an_empty_tuple(name: str) -> None:
    given: dict[str, Any] = {name: []}
    assert getattr(ProxyParams("sip:toto@example.org", **given), name) == ()
