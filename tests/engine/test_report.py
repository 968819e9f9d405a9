"""What people and logs are told."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.replies import TROUBLES, decide
from aiosipreg.engine.report import all_realms, clean, sentence, told
from aiosipreg.engine.transitions import TRANSITIONS
from aiosipreg.states import Reason, RegistrationState
from aiosipreg.wire import Response, parse_message

GRANTED = Outcome(decide(200), Response(200, "OK"))
LIFETIME = 1799.6


def say(name: str, outcome: Outcome | None = None, *, reason: Reason = Reason.NONE, wait: float | None = None) -> str:
    return sentence(TRANSITIONS[name], outcome, reason, wait)


def answered(status: int, phrase: str) -> Outcome:
    message = parse_message(f"SIP/2.0 {status} {phrase}\r\n\r\n".encode("utf-8", "surrogateescape"))
    assert isinstance(message, Response)
    return Outcome(decide(status), message)


# Text of the network


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Not Found", "Not Found"),
        ("Königsberg, 東京 ☎", "Königsberg, 東京 ☎"),
        ("%s %d {0}", "%s %d {0}"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("a\r\nb\tc\x00", r"a\x0d\x0ab\x09c\x00"),
        ("\u202eright to left\u2066", r"\xe2\x80\xaeright to left\xe2\x81\xa6"),
        ("\u2028\u00a0\u200b", r"\xe2\x80\xa8\xc2\xa0\xe2\x80\x8b"),
        (b"Latin-1 \xe4".decode("utf-8", "surrogateescape"), r"Latin-1 \xe4"),
        ("", ""),
    ],
)
def test_SEC_38_network_text_is_escaped(text: str, shown: str) -> None:
    assert clean(text) == shown


def test_SEC_38_network_text_is_cut() -> None:
    assert clean("x" * 1000) == "x" * 512
    assert len(clean("\x1b" * 1000)) == 512


@given(st.one_of(st.text(), st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))))
def test_SEC_38_nothing_steers_a_terminal_or_a_log(text: str) -> None:
    shown = clean(text)
    assert len(shown) <= 512
    assert shown.isprintable()
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp") for character in shown)
    if text.isprintable():
        assert shown == text[:512]


def test_SEC_38_what_is_printable_has_no_marks_of_direction() -> None:
    # What `clean` relies on, in this version of Python.
    every = (chr(code) for code in range(sys.maxunicode + 1))
    assert not [one for one in every if one.isprintable() and unicodedata.category(one)[0] in "CZ" and one != " "]


# Sentences


@pytest.mark.parametrize("name", sorted(TRANSITIONS))
def test_REG_40_every_transition_has_a_sentence(name: str) -> None:
    succeeds = TRANSITIONS[name].target is RegistrationState.OK
    text = say(name, GRANTED, wait=LIFETIME) if succeeds else say(name, answered(403, "No"))
    assert text
    assert text.isprintable()
    assert text == text.strip()
    assert say(name)


@pytest.mark.parametrize("name", ["F-05", "F-25"])
def test_REG_40_success_tells_the_lifetime(name: str) -> None:
    assert say(name, GRANTED, wait=LIFETIME) == "registered for 1800 s"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("F-01", "registering"),
        ("F-36", "registering"),
        ("F-37", "registering"),
        ("F-38", "registering"),
        ("F-14", "refreshing the binding"),
        ("F-15", "registering the changed settings"),
        ("F-23", "unregistering"),
        ("F-24", "the binding ran out"),
        ("F-29", "the binding ran out while it was being renewed"),
        ("F-42", "unregistered"),
    ],
)
def test_REG_40_what_nobody_answered_is_told_plainly(name: str, text: str) -> None:
    assert say(name) == text


def test_F_33_removal_tells_no_lifetime() -> None:
    assert say("F-33", GRANTED, wait=LIFETIME) == "unregistered"


@pytest.mark.parametrize("reason", [Reason.CONTACT_MISMATCH, Reason.UNCONFIRMED])
def test_REG_14_24_doubts_come_first(reason: Reason) -> None:
    text = say("F-05" if reason is Reason.CONTACT_MISMATCH else "F-33", GRANTED, reason=reason)
    assert "Contact" in text
    assert text != say("F-05", GRANTED, wait=LIFETIME)


def test_REG_40_failure_tells_advice_answer_and_next_attempt() -> None:
    outcome = answered(404, "Nobody \x1bhere")
    advice = decide(404).advice
    assert say("F-07", outcome) == f"{advice} (404 Nobody \\x1bhere)"
    assert say("F-06", outcome, wait=29.7) == f"{advice} (404 Nobody \\x1bhere); next attempt in 30 s"


def test_MSG_2_answer_without_a_phrase() -> None:
    assert told(answered(404, "")) == f"{decide(404).advice} (404)"


def test_REG_40_trouble_tells_its_cause() -> None:
    outcome = Outcome(TROUBLES["RSP-DNS"], cause="sip.example.org does not exist")
    assert told(outcome) == f"{outcome.row.advice} (sip.example.org does not exist)"
    assert told(outcome._replace(cause="")) == outcome.row.advice


def test_REG_40_answer_and_cause_are_both_told() -> None:
    outcome = answered(302, "Moved")._replace(cause="sip:b@h: outside")
    assert told(outcome) == f"{outcome.row.advice} (302 Moved, sip:b@h: outside)"


def test_SEC_38_cause_that_quotes_the_network_is_escaped_and_cut() -> None:
    outcome = Outcome(decide(302), cause=f"sip:\u202eevil@h{'x' * 5000}: no SIP URI")
    text = told(outcome)
    assert text.isprintable()
    assert len(text) < 600


def test_REG_40_strict_account_is_told_why_a_2xx_failed() -> None:
    outcome = GRANTED._replace(row=TROUBLES["RSP-200A"])
    assert say("F-06", outcome, wait=30) == f"{TROUBLES['RSP-200A'].advice} (200 OK); next attempt in 30 s"


def test_each_realm_is_told_once_and_made_fit_to_be_shown() -> None:
    rows = [("WWW-Authenticate", f'Digest realm="{realm}", nonce="n"') for realm in ("a", "b", "a", "\u202e")]
    assert all_realms(Response(401, "Who", rows)) == "realm a, realm b, realm \\xe2\\x80\\xae"
