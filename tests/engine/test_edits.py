"""The table of liblinphone's edit() and done() with our corrections, executed."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest

from aiosipreg.auth import AuthChallenge, AuthInfo
from aiosipreg.engine.edits import EDITS, Edit, compare, plan
from aiosipreg.params import SETTABLE, ExpiresIn, NatMode, ProxyParams, Redirect
from aiosipreg.settings import TlsParams

NOTHING, REFRESH, MOVE, START, STOP = Edit
TOTO = ProxyParams(
    "sip:toto@example.org",
    server="sip:reg.example.org",
    auth=AuthInfo("toto", password="secret"),
    contact_params={"q": "0.5"},
)
INSTANCE = "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6"

# One change of each field, and what it causes on an account that registers.
TABLE: dict[str, tuple[Any, Edit]] = {
    "identity": ("sip:titi@example.org", MOVE),
    "server": ("sip:other.example.org", MOVE),
    "backup_servers": (("sip:other.example.org",), NOTHING),
    "routes": (("sip:proxy.example.org",), MOVE),  # the model ignores routes for REGISTER
    "outbound_proxies": (("sip:edge.example.org",), MOVE),
    "outbound": (True, MOVE),
    "loose_routing": (False, MOVE),
    "registered_by": ("sip:boss@example.org", MOVE),
    "auth": (AuthInfo("toto", password="other"), MOVE),  # REG-38
    "register": (False, STOP),
    "expires": (600, REFRESH),
    "lifetime_in": (ExpiresIn.HEADER, REFRESH),
    "contact_params": ({"q": "0.6"}, REFRESH),
    "contact_uri_params": ({"ob": None}, REFRESH),
    "extra_contacts": (("<sip:toto@desk.example.org>",), REFRESH),
    "headers": ((("X-A", "1"),), REFRESH),
    "supported": (("gruu",), REFRESH),
    "instance_id": (INSTANCE, REFRESH),
    "nat": (NatMode.OFF, REFRESH),
    "id": ("a", NOTHING),
    "realm": ("r", NOTHING),
    "depends_on": ("b", NOTHING),
    "unregister_at_stop": (False, NOTHING),
    "ref_key": ("x", NOTHING),
    "strict_binding": (True, NOTHING),
    "refresh_window": ((0.5, 0.6), NOTHING),
    "retry_403": (True, NOTHING),
    "redirect": (Redirect.NEVER, NOTHING),
    "redirect_hosts": (("edge.example.net",), NOTHING),
    "path_hosts": (("edge.example.net",), NOTHING),
    "udp_only": (True, NOTHING),
    "compact": (True, NOTHING),
    "tls": (TlsParams(wildcards=False), REFRESH),  # over a connection to which the new settings agree
}


def test_every_field_that_can_be_edited_has_its_row() -> None:
    assert set(EDITS) == set(SETTABLE)
    assert set(TABLE) == set(SETTABLE)


@pytest.mark.parametrize("name", SETTABLE)
def test_what_one_changed_field_causes(name: str) -> None:
    value, edit = TABLE[name]
    changed = TOTO.replace(**{name: value})
    assert getattr(changed, name) != getattr(TOTO, name)
    assert plan(TOTO, changed) is edit
    assert plan(changed, TOTO) is (START if name == "register" else edit)


@pytest.mark.parametrize("name", SETTABLE)
def test_changing_nothing_sends_nothing(name: str) -> None:
    assert plan(TOTO, TOTO.replace(**{name: getattr(TOTO, name)})) is NOTHING


# What does not go together: whoever registers for somebody else is not that device (REG-32), and a flow is bound to one
# Contact (OUTB-9).
APART = {("registered_by", "instance_id")} | {
    (one, other) for one in ("outbound_proxies", "outbound") for other in ("registered_by", "extra_contacts")
}
PAIRS = set(combinations([name for name in SETTABLE if name != "register"], 2)) - APART


@pytest.mark.parametrize("names", sorted(PAIRS), ids="-".join)
def test_strongest_of_several_changes_counts(names: tuple[str, str]) -> None:
    changed = TOTO.replace(**{name: TABLE[name][0] for name in names})
    assert plan(TOTO, changed) is max((TABLE[name][1] for name in names), key=lambda edit: edit.value)


@pytest.mark.parametrize("name", [name for name in SETTABLE if name != "register"])
def test_register_decides_whatever_else_changes(name: str) -> None:
    off = TOTO.replace(register=False)
    changed = {name: TABLE[name][0]}
    assert plan(TOTO, off.replace(**changed)) is STOP
    assert plan(off, TOTO.replace(**changed)) is START
    # An account that does not register has nothing to send.
    assert plan(off, off.replace(**changed)) is NOTHING


@pytest.mark.parametrize("name", SETTABLE)
def test_comparing_leaves_register_aside(name: str) -> None:
    value, edit = TABLE[name]
    off = TOTO.replace(register=False)
    assert compare(off, off.replace(**{name: value})) is (NOTHING if name == "register" else edit)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"identity": "sip:toto@example.org"}, {"identity": "sip:Toto@example.org"}),
        ({"identity": "sip:toto@example.org"}, {"identity": "sip:toto@example.net"}),
        ({"server": "sips:h"}, {"identity": "sips:toto@example.org", "server": "sips:h"}),
        ({"server": "sip:h"}, {"server": "sip:h:5060"}),
        ({"server": "sip:h"}, {"server": "sips:h"}),
        ({"server": "sip:h"}, {"server": "sip:h;transport=tcp"}),
        # The model takes these two for equal; by RFC 3263 the first one may lead to TCP.
        ({"server": "sip:h"}, {"server": "sip:h;transport=udp"}),
        ({"server": "sip:h"}, {"server": None}),
        # Without a server the identity says where to register.
        ({"server": None}, {"identity": "sip:toto@example.org:5070", "server": None}),
        ({"server": None}, {"identity": "sip:toto@example.org;transport=tcp", "server": None}),
        ({"auth": AuthInfo("toto", password="a")}, {"auth": None}),
        ({"routes": ("sip:a", "sip:b")}, {"routes": ("sip:b", "sip:a")}),
    ],
)
def test_REG_38_another_account_or_way_moves(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert plan(TOTO.replace(**old), TOTO.replace(**new)) is MOVE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"identity": "sip:toto@example.org"}, {"identity": "SIP:toto@EXAMPLE.org"}),
        ({"identity": "sip:toto@example.org"}, {"identity": '"Toto" <sip:toto@example.org;user=phone>'}),
        ({"identity": "sip:toto@example.org"}, {"identity": "sip:toto@example.org:5070"}),  # TOTO has a server
        ({"identity": "sip:toto@example.org"}, {"identity": "sip:t%6Fto@example.org"}),
        ({"server": "reg.example.org"}, {"server": "sip:REG.example.org"}),
        ({"server": "sip:reg.example.org"}, {"server": "sip:reg.example.org;x=1"}),
        ({"identity": "sip:toto@example.org", "server": None}, {"server": "sip:example.org"}),
        ({"auth": AuthInfo("toto", password="a")}, {"auth": [AuthInfo("toto", password="a")]}),
        ({"contact_params": {"a": "b", "c": None}}, {"contact_params": {"C": None, "A": "b"}}),
        ({"routes": ("sip:p",)}, {"routes": ["<sip:p;lr>"]}),
        ({"headers": [["X-A", "1"]]}, {"headers": (("X-A", "1"),)}),
    ],
)
def test_another_spelling_is_no_change(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert plan(TOTO.replace(**old), TOTO.replace(**new)) is NOTHING


def test_another_provider_is_another_secret() -> None:
    async def one(challenge: AuthChallenge) -> AuthInfo | None:
        return None

    async def other(challenge: AuthChallenge) -> AuthInfo | None:
        return None

    assert plan(TOTO.replace(auth=one), TOTO.replace(auth=other)) is MOVE
    assert plan(TOTO.replace(auth=one), TOTO.replace(auth=one)) is NOTHING


def test_order_of_the_edits_is_their_strength() -> None:
    assert list(Edit) == sorted(Edit, key=lambda edit: edit.value)
