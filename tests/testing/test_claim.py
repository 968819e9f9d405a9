"""aiosipreg/testing/claim.py: what a REGISTER must be like to be processed."""

from __future__ import annotations

import pytest

from aiosipreg.testing.scripted import ScriptedRegistrar
from tests.testing.requests import AOR, ask, register


@pytest.mark.parametrize("method", ["OPTIONS", "INVITE", "SUBSCRIBE", "NOTIFY"])
def test_other_methods_are_not_allowed(method: str) -> None:
    registrar = ScriptedRegistrar(None)
    answer = ask(registrar, register(method=method))
    assert (answer.status, answer.headers.get("Allow")) == (405, "REGISTER")
    assert registrar.requests == ()
    assert [packet.request.method for packet in registrar.other_requests] == [method]


@pytest.mark.parametrize("header", ["To", "From", "Call-ID", "CSeq"])
def test_a_missing_mandatory_header_is_a_bad_request(header: str) -> None:
    lines = register().decode().split("\r\n")
    data = "\r\n".join(line for line in lines if not line.startswith(f"{header}:")).encode()
    answer = ask(ScriptedRegistrar(None), data)
    assert (answer.status, answer.reason) == (400, "Missing Header")


@pytest.mark.parametrize(("good", "bad"), [("CSeq: 1 REGISTER", "CSeq: one REGISTER"), (f"To: <{AOR}>", "To: <nobody")])
def test_a_malformed_mandatory_header_is_a_bad_request(good: str, bad: str) -> None:
    answer = ask(ScriptedRegistrar(None), register().replace(good.encode(), bad.encode()))
    assert (answer.status, answer.reason) == (400, "Malformed Header")


def test_a_cseq_of_another_method_is_a_bad_request() -> None:
    assert ask(ScriptedRegistrar(None), register().replace(b"1 REGISTER", b"1 OPTIONS")).status == 400


def test_required_extensions_are_refused_by_name() -> None:
    data = register(rows=("Require: Outbound, gin, gruu, path",))
    answer = ask(ScriptedRegistrar(None), data)
    assert (answer.status, answer.unsupported) == (420, ("gin",))
    answer = ask(ScriptedRegistrar(None, outbound=False, gruu=False), data)
    assert answer.unsupported == ("outbound", "gin", "gruu")
