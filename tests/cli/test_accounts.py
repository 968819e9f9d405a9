"""aiosipreg/cli/accounts.py: from options to settings."""

from __future__ import annotations

from typing import Any

import click
import pytest

from aiosipreg import AuthInfo, DnsParams, ProxyParams
from aiosipreg.cli.accounts import account_params, dns_params
from tests.cli.shell import SECRET, invoke

NOTHING: dict[str, Any] = {
    "server": None, "expires": 3600, "user": None, "routes": (), "password_stdin": False, "password_file": None,
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_password_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIOSIPREG_PASSWORD", raising=False)


def test_an_identity_is_enough() -> None:
    assert account_params("sip:alice@example.org", **NOTHING) == ProxyParams("sip:alice@example.org")


def test_every_option_has_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIOSIPREG_PASSWORD", SECRET)
    options = NOTHING | {"server": "sip:edge.example.org", "expires": 60, "user": "a17", "routes": ("sip:p;lr",)}
    params = account_params("alice@example.org", **options)
    info = AuthInfo("alice", userid="a17", password=SECRET)
    assert params == ProxyParams(
        "alice@example.org", server="sip:edge.example.org", expires=60, routes=("sip:p;lr",), auth=info
    )


@pytest.mark.parametrize(
    ("identity", "options", "why"),
    [
        ("sip:example.org", {}, "identity="),
        ("sip:alice@example.org", {"expires": 0}, "expires=0"),
        ("sip:alice@example.org", {"server": "sip:"}, "server="),
        ("sip:alice@example.org", {"routes": ("sip:",)}, "routes="),
    ],
)
def test_what_cannot_work_is_a_wrong_usage(identity: str, options: dict[str, Any], why: str) -> None:
    with pytest.raises(click.UsageError, match=why):
        account_params(identity, **NOTHING | options)


def test_name_servers() -> None:
    assert dns_params(()) == DnsParams()
    assert dns_params(("192.0.2.53", "[2001:db8::53]:5353")).nameservers == ("192.0.2.53", "[2001:db8::53]:5353")
    with pytest.raises(click.UsageError, match="nameservers='dns"):
        dns_params(("dns.example.org",))


@pytest.mark.parametrize("command", ["check", "register"])
@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "Missing argument 'IDENTITY'"),
        (("alice",), "identity='alice'"),
        (("sip:alice@h", "--expires", "soon"), "'--expires'"),
        (("sip:alice@h", "--nameserver", "dns"), "nameservers='dns'"),
        (("sip:alice@h", "--user", ""), "--user"),
        (("sip:alice@h", "--colour"), "No such option"),
    ],
)
def test_wrong_usage_is_a_sentence_and_exit_code_2(command: str, arguments: tuple[str, ...], why: str) -> None:
    result = invoke(command, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert why in result.stderr
    assert "Traceback" not in result.stderr
