"""URIs: reading, printing, and the equality of RFC 3261 section 19.1.4."""

from __future__ import annotations

import itertools
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.errors import ConfigError, ParseError
from aiosipreg.wire.params import Params
from aiosipreg.wire.uri import OtherUri, SipUri, hide_password, parse_uri
from tests.wire.effort import LIMIT, PATTERNS, growth


def uri(text: str) -> SipUri:
    return SipUri.parse(text)


def test_URI_01_all_parts() -> None:
    found = uri("sips:alice;x=1:secret@Example.com:5061;transport=TCP;lr;Foo=%20b?Subject=a%20b&Priority=urgent")
    assert found.scheme == "sips"
    assert found.user == "alice;x=1"
    assert found.password == "secret"
    assert found.host == "Example.com"
    assert found.port == 5061
    assert found.params == {"transport": "TCP", "lr": None, "foo": " b"}
    assert found.headers == {"subject": "a b", "priority": "urgent"}
    assert found.secure
    assert found.is_sip


def test_the_smallest_uri() -> None:
    found = uri("sip:h")
    assert (found.user, found.password, found.host, found.port) == (None, None, "h", None)
    assert found.params == found.headers == {}
    assert not found.secure


@pytest.mark.parametrize(
    "text",
    [
        "sip:h",
        "SIP:A@H",
        "sIpS:a@h",
        "sip:%75se%72@h;n%61me=v%61lue%25%34%31",
        "sip:a:@h:05060",
        "sip:a@[2001:DB8:0::1]:5060",
        "sip:a@[2001:db8:::192.0.2.1]",
        "sip:a@h;;lr;",
        "sip:a@h;gr=urn:uuid:f81d;ob?&x",
        "sip:ñ\udcff@h",
    ],
)
def test_str_is_as_sent(text: str) -> None:
    assert str(uri(text)) == text


ESCAPED = [
    ("j@s0n", "sip:j%40s0n@h"),
    ("alice;day=tue", "sip:alice;day=tue@h"),
    ("a?b&c=d+e$f,g/h", "sip:a?b&c=d+e$f,g/h@h"),
    ("-_.!~*'()", "sip:-_.!~*'()@h"),
    ("50%", "sip:50%25@h"),
    ("a:b", "sip:a%3Ab@h"),
    ('a "<b>"', "sip:a%20%22%3Cb%3E%22@h"),
    ("ñ", "sip:%C3%B1@h"),
    ("\udcff", "sip:%FF@h"),
]


@pytest.mark.parametrize(("user", "text"), ESCAPED)
def test_URI_02_every_part_is_escaped_by_its_own_set(user: str, text: str) -> None:
    built = SipUri(scheme="sip", user=user, host="h")
    assert str(built) == text
    assert uri(text).user == user
    assert uri(text) == built


def test_URI_02_password_parameters_and_headers() -> None:
    built = SipUri(
        scheme="sip",
        user="u",
        host="h",
        params={"a;b": "c=d;e", "x": "[/:&+$]", "lr": None},
        headers={"Route": "<sip:p;lr>", "to": "a&b?"},
        password="p:w;?@",
    )
    assert str(built) == "sip:u:p%3Aw%3B%3F%40@h;a%3Bb=c%3Dd%3Be;x=[/:&+$];lr?route=%3Csip:p%3Blr%3E&to=a%26b?"
    again = uri(str(built))
    assert again == built
    assert (again.params, again.headers, again.password) == (built.params, built.headers, "p:w;?@")


def test_URI_04_escapes_are_undone_once() -> None:
    found = uri("sip:sips%3Auser%40example.com@example.net;%6C%72;n%61me=v%61lue%25%34%31")
    assert found.user == "sips:user@example.com"
    assert found.params == {"lr": None, "name": "value%41"}


def test_URI_04_an_escaped_nul_shortens_nothing() -> None:
    found = uri("sip:null-%00-null@example.com")
    assert found.user == "null-\0-null"
    assert str(found.bare()) == "sip:null-%00-null@example.com"
    assert found != uri("sip:null-@example.com")


def test_GRM_46_semicolon_and_question_mark_in_the_user_part() -> None:
    assert uri("sip:a;b=1@h").user == "a;b=1"
    assert uri("sip:a?b@h").user == "a?b"
    assert uri("sip:user;par=u%40example.net@example.com").params == {}


BAD = [
    "",
    "sip:",
    "sip",
    "h",
    "http://h",
    "sip:@h",
    "sip::p@h",
    "sip:a:b:c@h",
    "sip:a@",
    "sip:a@b@c",
    "sip:a@ex%61mple.com",
    "sip:a@2001:db8::1:5060",
    "sip:a@h:0",
    "sip:a@h:65536",
    "sip:a@h:",
    "sip:a@h;=x",
    "sip:a b@h",
    "sip:a@h;x=<y>",
    "sip:a@h\x00",
    "sip:a@h;\x7f",
    "sip:a@h\r\nX: y",
]


@pytest.mark.parametrize("text", BAD)
def test_URI_03_GRM_46_50_51_no_sip_uris(text: str) -> None:
    with pytest.raises(ParseError):
        uri(text)


@pytest.mark.parametrize("text", ["sip:h;transport=UDP;transport=tcp", "sip:h;lr;LR", "sip:h;%6Cr;lr"])
def test_GRM_47_a_doubled_parameter_is_rejected(text: str) -> None:
    with pytest.raises(ParseError):
        uri(text)


def test_limits_of_length_and_parameters() -> None:
    start = "sip:a@h;x="
    assert uri(start + "y" * (4096 - len(start)))
    with pytest.raises(ParseError):
        uri(start + "y" * (4097 - len(start)))
    assert len(uri("sip:h" + "".join(f";p{n}" for n in range(50))).params) == 50
    with pytest.raises(ParseError):
        uri("sip:h" + "".join(f";p{n}" for n in range(51)))


def test_GRM_11_quotes_in_a_parameter_stay() -> None:
    assert uri('sip:a@h;gr="x"').params["gr"] == '"x"'


def test_GRM_49_a_trailing_dot_is_kept() -> None:
    assert uri("sip:a@h.").host == "h."
    assert uri("sip:a@h_1").host == "h_1"


def test_URI_10_the_address_with_a_port_inside_has_no_port() -> None:
    found = uri("sip:[2001:db8::10:5070]")
    assert (found.host, found.port) == ("2001:db8::10:5070", None)
    assert str(SipUri(scheme="sip", user=None, host="2001:DB8:0:0::10", port=5070)) == "sip:[2001:db8::10]:5070"


# The equal and unequal pairs of RFC 3261 section 19.1.4, then those of the requirements.
EQUAL = [
    ("sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;newparam=5"),
    (
        "sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
        "sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
    ),
    (
        "sip:alice@atlanta.com?subject=project%20x&priority=urgent",
        "sip:alice@atlanta.com?priority=urgent&subject=project%20x",
    ),
    ("sip:a@h;foo=1", "sip:a@h"),
    ("sip:a@[2001:db8::9:1]", "sip:a@[2001:db8::9:01]"),
    ("sip:a@h;lr", "sip:a@h;LR"),
    ("SIP:a@h", "sip:a@h"),
    ("sip:a%3bb@h", "sip:a%3Bb@h"),
    ("sip:a@h;x=%61", "sip:a@h;x=A"),
    ("sip:a@h?Subject=X", "sip:a@h?subject=x"),
    ("sip:a:p@h", "sip:a:%70@h"),
]
UNEQUAL = [
    ("SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:5060"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp"),
    ("sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp"),
    ("sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting"),
    ("sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4"),
    ("sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off"),
    ("sip:a@h", "sips:a@h"),
    ("sip:a@h", "sip:h"),
    ("sip:a@h", "sip:a:p@h"),
    ("sip:a:p@h", "sip:a:P@h"),
    ("sip:a@h", "sip:a@h;user=phone"),
    ("sip:a@h", "sip:a@h;ttl=1"),
    ("sip:a@h", "sip:a@h;method=REGISTER"),
    ("sip:a@h", "sip:a@h;maddr=h"),
    ("sip:a%3Bb@h", "sip:a;b@h"),
    ("sip:a@h?x=1", "sip:a@h?x=2"),
    ("sip:a@h?x=1", "sip:a@h?x=1&x=1"),
    ("sip:a@h.", "sip:a@h"),
]


@pytest.mark.parametrize(("one", "other"), EQUAL)
def test_URI_05_06_07_GRM_48_52_equal(one: str, other: str) -> None:
    assert uri(one) == uri(other)
    assert uri(other) == uri(one)
    assert hash(uri(one)) == hash(uri(other))


@pytest.mark.parametrize(("one", "other"), UNEQUAL)
def test_URI_05_06_07_GRM_48_52_unequal(one: str, other: str) -> None:
    assert uri(one) != uri(other)
    assert uri(other) != uri(one)


NUMBER = "sip:+358-555-1234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tel:+358-555-1234567;postd=pp22", f"{NUMBER};postd=pp22@foo.com;user=phone"),
        ("tel:+358-555-1234567;POSTD=PP22", f"{NUMBER};postd=pp22@foo.com;user=phone"),
        ("tel:+358-555-1234567;tsp=a.b;phone-context=5", f"{NUMBER};phone-context=5;tsp=a.b@foo.com;user=phone"),
        ("tel:+358-555-1234567;phone-context=5;tsp=a.b", f"{NUMBER};phone-context=5;tsp=a.b@foo.com;user=phone"),
        ("TEL:7042;A=1;postd=22;;isub=1411", "sip:7042;isub=1411;postd=22;a=1@foo.com;user=phone"),
        ("tel:*21#;phone-context=+1", "sip:*21%23;phone-context=+1@foo.com;user=phone"),
        ("tel:1;x=a%3Bb:c", "sip:1;x=a%3bb%3Ac@foo.com;user=phone"),
    ],
)
def test_URI_14_telephone_numbers_as_sip_uris(text: str, expected: str) -> None:
    made = OtherUri(text).to_sip("foo.com")
    assert str(made) == expected
    assert made == SipUri.parse(expected)
    assert OtherUri(text).to_sip("2001:db8::1").host == "2001:db8::1"


@pytest.mark.parametrize(
    ("text", "host"),
    [("mailto:a@h", "h"), ("tel:;x=1", "h"), ("tel:1", "a b"), ("tel:1", ""), ("*", "h")],
)
def test_URI_14_nothing_else_becomes_a_sip_uri(text: str, host: str) -> None:
    with pytest.raises(ConfigError):
        OtherUri(text).to_sip(host)


def test_URI_08_equality_is_not_transitive() -> None:
    on, off, absent = uri("sip:a@h;security=on"), uri("sip:a@h;security=off"), uri("sip:a@h")
    assert on == absent == off
    assert on != off


def test_a_uri_differs_from_its_text_and_from_other_schemes() -> None:
    assert uri("sip:a@h") != "sip:a@h"
    assert uri("sip:a@h") != OtherUri("tel:1")
    assert OtherUri("tel:1") != "tel:1"


TEXTS = [text for pair in EQUAL + UNEQUAL for text in pair]


@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS))
def test_equality_is_symmetric_and_agrees_with_the_hash(one: str, other: str) -> None:
    equal = uri(one) == uri(other)
    assert equal == (uri(other) == uri(one))
    assert not equal or hash(uri(one)) == hash(uri(other))


def test_bare_and_replace() -> None:
    found = uri("sip:a%3Bb:p%3A@Host:5060;transport=tcp?x=y")
    assert str(found.bare()) == "sip:a%3Bb:p%3A@Host:5060"
    assert found.bare().bare() is not found
    assert uri("sip:a@h").bare() == uri("sip:a@h")
    assert str(uri("sip:a@h?x=y").bare()) == "sip:a@h"
    changed = found.replace(host="::1", port=None, params={"lr": None}, headers={})
    assert str(changed) == "sip:a%3Bb:p%3A@[::1];lr"
    assert (changed.user, changed.password, changed.host) == ("a;b", "p:", "::1")
    assert str(found.replace(user="c d")) == "sip:c%20d:p%3A@Host:5060;transport=tcp?x=y"
    assert str(found.replace(password=None, scheme="sips")) == "sips:a;b@Host:5060;transport=tcp?x=y"
    assert str(found.replace(user=None, password=None).bare()) == "sip:Host:5060"
    assert str(uri("sip:h").replace(port=5070)) == "sip:h:5070"


@pytest.mark.parametrize(
    "changes",
    [
        {"scheme": "tel"},
        {"user": ""},
        {"user": None},
        {"host": "a b"},
        {"host": ""},
        {"host": "h\r\nX: y"},
        {"port": 0},
        {"port": 65536},
        {"user": "a\r\nX: y"},
        {"user": "a\0"},
        {"user": "\ud800"},
        {"password": "a\n"},
        {"params": {"a": "\r\n"}},
        {"params": {"a\n": None}},
        {"headers": {"a": "\x7f"}},
    ],
)
def test_SEC_11_parts_that_no_uri_can_have(changes: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        uri("sip:a:p@h").replace(**changes)


def test_a_password_is_in_no_repr_and_no_error() -> None:
    assert "hunter2" not in repr(uri("sip:a:hunter2@h"))
    for text in ("sip:a:hunter2@", "sip:a:hunter2:@h", "sip:a:hunter2@h\r", "sip:a:hunter2@h" + "x" * 5000):
        with pytest.raises(ParseError) as caught:
            uri(text)
        assert "hunter2" not in str(caught.value)
    with pytest.raises(ConfigError) as refused:
        SipUri(scheme="sip", user="a", host="h", password="hunter2\n")
    assert "hunter2" not in str(refused.value)
    assert hide_password("<sip:a:hunter2@h") == "<sip:(hidden)@h"


def test_uris_can_be_pickled() -> None:
    for text in ("sip:a%3Bb@h;x=y", "sips:[::1]"):
        assert str(pickle.loads(pickle.dumps(uri(text)))) == text


# Anything that can be written can be read again.
NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)
VALUES = st.none() | st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=8)
URIS = st.builds(
    SipUri,
    scheme=st.sampled_from(["sip", "sips"]),
    user=NAMES,
    password=VALUES,
    host=st.from_regex(r"\A[a-z0-9_-]{1,8}(\.[a-z0-9]{1,5}){0,2}\Z") | st.ip_addresses().map(str),
    port=st.none() | st.integers(1, 65535),
    params=st.dictionaries(NAMES, VALUES, max_size=4),
    headers=st.dictionaries(NAMES, VALUES.map(lambda value: value or ""), max_size=3),
)


@given(URIS)
def test_URI_01_what_is_printed_is_read_again(built: SipUri) -> None:
    again = uri(str(built))
    assert again == built
    assert str(again) == str(built)
    for name in ("scheme", "user", "password", "host", "port", "params", "headers"):
        assert getattr(again, name) == getattr(built, name)
    assert str(again.replace(port=built.port)) == str(built)


@given(st.text())
def test_ROB_3_any_text_is_a_uri_or_a_parse_error(text: str) -> None:
    for candidate in (text, f"sip:{text}", f"sip:a@h;{text}", f"tel:{text}", f"urn:{text}"):
        try:
            found = parse_uri(candidate)
        except ParseError:
            continue
        assert str(found) == candidate
        assert found == parse_uri(candidate)
        assert hash(found) == hash(parse_uri(candidate))
        if isinstance(found, SipUri):
            found.bare()


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("prefix", ["sip:", "sip:a@h;", "sip:a@h?", "tel:"])
def test_ROB_3_time_grows_linearly(monkeypatch: pytest.MonkeyPatch, prefix: str, pattern: str) -> None:
    monkeypatch.setattr("aiosipreg.wire.uri.MAX_LENGTH", 1 << 20)
    assert growth(parse_uri, pattern, prefix) < LIMIT
    assert growth(hide_password, pattern, prefix) < LIMIT


# Other schemes.


def test_other_schemes_are_kept() -> None:
    for text in ("tel:+1-201-555-0123", "mailto:UserB@there.com", "urn:uuid:f81d", "http://x/y?z"):
        found = OtherUri.parse(text)
        assert str(found) == found.text == text
        assert not found.is_sip
    assert OtherUri("TEL:1").scheme == "tel"
    assert OtherUri("*").scheme == ""


@pytest.mark.parametrize(
    "text", ["", "a", "tel:", ":x", "1a:b", "a b:c", "tel:1 2", "tel:<1>", "tel:\r\n", "tel:\udc41", "é:x", "**"]
)
def test_no_uris(text: str) -> None:
    with pytest.raises(ParseError):
        OtherUri.parse(text)
    with pytest.raises(ConfigError):
        OtherUri(text)


def test_the_star_is_no_uri_that_is_read() -> None:
    assert str(OtherUri("*")) == "*"
    with pytest.raises(ParseError):
        parse_uri("*")


def test_other_uris_have_the_same_limit() -> None:
    with pytest.raises(ParseError):
        OtherUri.parse("tel:" + "1" * 4096)


def test_parse_uri_chooses_by_scheme() -> None:
    assert isinstance(parse_uri("SIPS:h"), SipUri)
    assert isinstance(parse_uri("sip:h"), SipUri)
    assert isinstance(parse_uri("sipx:h"), OtherUri)
    assert isinstance(parse_uri("tel:1"), OtherUri)
    with pytest.raises(ParseError):
        parse_uri("sip:")


TEL_EQUAL = [
    ("tel:+1-201-555-0123", "tel:+12015550123"),
    ("tel:+1.201.(555)0123", "TEL:+12015550123"),
    ("tel:7042;phone-context=example.com", "tel:7042;phone-context=EXAMPLE.com"),
    ("tel:863-1234;phone-context=+1-914-555", "tel:8631234;phone-context=+1914555"),
    ("tel:1;ext=1-2;isub=3", "tel:1;isub=3;ext=12"),
    ("tel:1;", "tel:1"),
]
TEL_UNEQUAL = [
    ("tel:+12015550123", "tel:12015550123"),
    ("tel:7042;phone-context=a-b.example", "tel:7042;phone-context=ab.example"),
    ("tel:1;ext=1", "tel:1"),
    ("tel:1", "mailto:1"),
]


@pytest.mark.parametrize(("one", "other"), TEL_EQUAL)
def test_URI_15_GRM_53_equal_numbers(one: str, other: str) -> None:
    assert OtherUri(one) == OtherUri(other)
    assert hash(OtherUri(one)) == hash(OtherUri(other))


@pytest.mark.parametrize(("one", "other"), TEL_UNEQUAL)
def test_URI_15_GRM_53_unequal_numbers(one: str, other: str) -> None:
    assert OtherUri(one) != OtherUri(other)


def test_GRM_09_urns_compare_by_their_own_rules() -> None:
    assert OtherUri("urn:uuid:F81D4FAE") == OtherUri("URN:UUID:f81d4fae")
    assert OtherUri("urn:gsma:imei:A") != OtherUri("urn:gsma:imei:a")
    assert OtherUri("urn:GSMA:imei:a") == OtherUri("urn:gsma:imei:a")
    assert OtherUri("x:A") != OtherUri("x:a")


def test_no_two_texts_above_are_the_same() -> None:
    for one, other in itertools.chain(EQUAL, UNEQUAL, TEL_EQUAL, TEL_UNEQUAL):
        assert one != other


def test_parameters_of_a_uri_are_params() -> None:
    assert isinstance(uri("sip:h").params, Params)
    assert isinstance(SipUri("sip", None, "h", params={"a": "b"}).params, Params)


@given(
    st.sampled_from(["sip:", "sips:", "SIP:", "tel:"]),
    st.from_regex(r"\A[a-z0-9+._%;:-]{0,6}@?[a-z0-9.:_-]{0,9}\Z"),
)
def test_the_short_way_leads_where_the_long_one_does(scheme: str, rest: str) -> None:
    """Parameters are never read the short way, and one that is empty changes nothing."""

    def read(text: str) -> tuple[object, ...] | None:
        try:
            uri = SipUri.parse(text)
        except ParseError:
            return None
        return uri.scheme, uri.user, uri.password, uri.host, uri.port

    assert read(scheme + rest) == read(f"{scheme}{rest};")
