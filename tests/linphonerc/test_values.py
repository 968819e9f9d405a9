"""aiosipreg/linphonerc/values.py."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.engine.timers import RetryPolicy
from aiosipreg.errors import ConfigError
from aiosipreg.linphonerc import values
from aiosipreg.params import NatMode

if TYPE_CHECKING:
    from collections.abc import Callable

READERS: list[Callable[[str], object]] = [
    getattr(values, name) for name in values.__all__ if name not in ("items", "identity")
]

GOOD: list[tuple[Callable[[str], object], str, object]] = [
    (values.number, "3600", 3600),
    (values.number, "-1", -1),
    (values.number, "+5", 5),
    (values.number, "0x1a", 26),
    (values.number, "0X1A", 26),
    (values.number, "010", 8),
    (values.number, "0", 0),
    (values.flag, "1", True),
    (values.flag, "0", False),
    (values.flag, "-2", True),
    (values.items, "a, b ,,c,", ("a", "b", "c")),
    (values.items, ",", ()),
    (values.printable, "Toto/1.0 (Grüße)", "Toto/1.0 (Grüße)"),
    (values.address, "<sip:titi.com;transport=tls>", "sip:titi.com;transport=tls"),
    (values.address, '"Titi, of (titi)" <sips:titi.com>', "sips:titi.com"),
    (values.address, "sip:titi.com;transport=tcp", "sip:titi.com;transport=tcp"),
    (values.address, "titi.com:5070", "titi.com:5070"),
    (values.address, "SIP:titi.com", "SIP:titi.com"),
    (values.identity, '"Toto" <sip:toto@titi.com>', '"Toto" <sip:toto@titi.com>'),
    (values.addresses, "<sip:a.com;lr>,sip:b.com , c.com", ("sip:a.com;lr", "sip:b.com", "c.com")),
    (values.header_params, 'a=b;c;d="e;f"', {"a": "b", "c": None, "d": "e;f"}),
    (values.header_params, ";message-expires=604800", {"message-expires": "604800"}),
    (values.uri_params, "a=b;c", {"a": "b", "c": None}),
    (values.uri_params, "pn-tok=a@b", {"pn-tok": "a@b"}),
    (values.instance_id, "0", None),
    (
        values.instance_id,
        "11111111-2222-3333-4444-55555555aaaa",
        "urn:uuid:11111111-2222-3333-4444-55555555aaaa",
    ),
    (values.window, "90-90", (0.9, 0.9)),
    (values.window, "50 - 75", (0.5, 0.75)),
    (values.nat_mode, "1", NatMode.AUTO),
    (values.nat_mode, "0", NatMode.OFF),
    (values.udp_port, "5060", 5060),
    (values.udp_port, "-1", 0),
    (values.udp_port, "-2", 0),
    (values.udp_port, "0", None),
    (values.minimum_algorithm, "1", "MD5"),
    (values.minimum_algorithm, "0", "SHA-256"),
    (values.retry_base, "60000", RetryPolicy().base),
    (values.retry_base, "1800000", 900.0),
]

BAD: list[tuple[Callable[[str], object], str]] = [
    *((values.number, text) for text in ("", "yes", "1 2", "12abc", "0x", "089", "1.5", "--1", "٣", "9" * 5000)),
    (values.flag, "true"),
    (values.printable, "a\tb"),
    (values.printable, "\udce9"),
    *((values.address, text) for text in ("", "<sip:titi.com", "<sip:titi.com>;tag=1", "<tel:+1>", "sip:a b", "<>")),
    (values.identity, "<sip:toto@titi.com"),
    (values.addresses, '<sip:a.com;x="b,c">'),
    (values.header_params, 'a="b'),
    (values.uri_params, "a=b;a=c"),
    (values.uri_params, "a=b?c=d"),
    (values.uri_params, "a=b>"),
    *((values.instance_id, text) for text in ("1", "urn:uuid:11111111-2222-3333-4444-55555555aaaa", "a" * 36)),
    *((values.window, text) for text in ("90", "-5", "a-b", "80-", "90-1000", "90-80", "0-90", "90-100")),
    *((values.retry_base, text) for text in ("0", "-1", "1800001", "1m")),
]


@pytest.mark.parametrize(("read", "text", "value"), GOOD)
def test_a_value(read: Callable[[str], object], text: str, value: object) -> None:
    found = read(text)
    assert found == value
    assert type(found) is type(value) or isinstance(value, dict)


@pytest.mark.parametrize(("read", "text"), BAD)
def test_what_cannot_be_read_is_refused_without_being_shown(read: Callable[[str], object], text: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(text)
    assert (error.value.field, error.value.value) == ("", "(hidden)")
    assert error.value.__context__ is None or error.value.__suppress_context__


def test_every_reader_is_tested() -> None:
    assert {read for read, *_ in GOOD} == {getattr(values, name) for name in values.__all__}


TEXT: Any = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.text("<>\"sip:@;=,?%&-+0123456789xX. \t\\'()[]ab"),
)


@given(st.sampled_from(READERS), TEXT)
def test_a_reader_raises_config_errors_only(read: Callable[[str], object], text: str) -> None:
    try:
        read(text)
    except ConfigError as error:
        assert error.expected  # noqa: PT017
