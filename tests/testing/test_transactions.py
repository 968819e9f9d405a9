"""aiosipreg/testing/transactions.py: which requests are copies of one another."""

from __future__ import annotations

from aiosipreg.testing.scripted import ScriptedRegistrar
from tests.testing.requests import SOURCE, ask, register


def test_a_transaction_is_forgotten_after_timer_j() -> None:
    registrar = ScriptedRegistrar(None)
    data = register(branch="z9hG4bKsame")
    ask(registrar, data, 0.0)
    assert ask(registrar, data, 32.0).status == 500
    assert not registrar.requests[-1].retransmission


def test_a_transaction_answered_late_does_not_keep_others_in_memory() -> None:
    registrar = ScriptedRegistrar(None)
    registrar.answer_next(None)
    late, other = register(branch="z9hG4bKlate"), register(branch="z9hG4bKother", cseq=2)
    registrar.receive(late, SOURCE, 0.0)
    ask(registrar, other, 1.0)
    ask(registrar, late, 2.0)
    ask(registrar, other, 33.0)
    ask(registrar, late, 33.0)
    assert [packet.retransmission for packet in registrar.requests] == [False, False, True, False, True]


def test_branches_are_compared_without_case_and_per_method() -> None:
    registrar = ScriptedRegistrar(None)
    ask(registrar, register(branch="z9hG4bKsame"))
    assert ask(registrar, register(branch="Z9HG4BKSAME")).status == 200
    assert ask(registrar, register(branch="z9hG4bKsame", method="OPTIONS")).status == 405


def test_rfc2543_transactions_are_told_apart_by_their_headers() -> None:
    registrar = ScriptedRegistrar(None)
    assert ask(registrar, register(branch="1")).status == 200
    assert ask(registrar, register(branch="1")).status == 200
    assert ask(registrar, register(branch="1", cseq=2)).status == 200
    assert [packet.retransmission for packet in registrar.requests] == [False, True, False]
