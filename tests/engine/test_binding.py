"""`aiosipreg.engine.binding`."""

from __future__ import annotations

import pickle

import pytest

from aiosipreg.engine.binding import Binding, instance_of, reg_id_of
from aiosipreg.wire import NameAddr

INSTANCE = "urn:uuid:00000000-0000-1000-8000-000a95a0e128"


def bound(params: str) -> Binding:
    return Binding(NameAddr.parse(f"<sip:toto@192.0.2.1>{params}"), expires=300.0, expires_at=1300.0)


def test_REG_12_a_binding_shows_what_its_contact_says() -> None:
    binding = bound(
        f';q=0.7;reg-id=2;+sip.instance="<{INSTANCE}>";pub-gruu="sip:toto@example.org;gr=1"'
        ';temp-gruu="sip:t@example.org;gr";x'
    )
    assert (binding.q, binding.instance_id, binding.reg_id) == (0.7, INSTANCE, 2)
    assert (binding.pub_gruu, binding.temp_gruu) == ("sip:toto@example.org;gr=1", "sip:t@example.org;gr")
    assert binding.params is binding.contact.params
    assert pickle.loads(pickle.dumps(binding)) == binding


def test_a_plain_contact_says_nothing_of_it() -> None:
    binding = bound("")
    assert (binding.q, binding.instance_id, binding.reg_id, binding.pub_gruu, binding.temp_gruu) == (None,) * 5
    assert instance_of(binding.contact) == ""


@pytest.mark.parametrize(
    ("text", "reg_id"),
    [(";reg-id=1", 1), (";reg-id=2147483647", 2147483647), (";reg-id=x", None), (";reg-id", None), (";reg-id=", None),
     (";reg-id=²", None), (f";reg-id={'9' * 5000}", None), (";reg-id=-1", None)],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_OUTB_3_reg_id_is_a_number_or_nothing(text: str, reg_id: int | None) -> None:
    assert reg_id_of(bound(text).contact) == reg_id
