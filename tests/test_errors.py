"""What the exceptions say, and what they are."""

from __future__ import annotations

import pickle

import pytest

from aiosipreg.errors import (
    AiosipregError,
    AuthenticationFailed,
    ConfigError,
    CoreClosedError,
    ParseError,
    RegistrationError,
    RegistrationRejected,
    RegistrationTimeout,
    ServerUnreachable,
)


@pytest.mark.parametrize(
    ("kind", "parents"),
    [
        (ConfigError, (AiosipregError, ValueError)),
        (ParseError, (AiosipregError, ValueError)),
        (CoreClosedError, (AiosipregError, RuntimeError)),
        (RegistrationError, (AiosipregError,)),
        (RegistrationTimeout, (RegistrationError, TimeoutError)),
        (RegistrationRejected, (RegistrationError,)),
        (AuthenticationFailed, (RegistrationError,)),
        (ServerUnreachable, (RegistrationError,)),
    ],
)
def test_everything_can_be_caught_by_two_names(kind: type[Exception], parents: tuple[type[Exception], ...]) -> None:
    assert all(issubclass(kind, parent) for parent in parents)


def test_config_error_names_field_value_and_expectation() -> None:
    error = ConfigError("expires", -1, "a number of seconds")
    assert (error.field, error.value, error.expected) == ("expires", -1, "a number of seconds")
    assert str(error) == "expires=-1: expected a number of seconds"


def test_SEC_38_config_error_escapes_what_it_shows() -> None:
    assert str(ConfigError("identity", "a\r\n\x1b[31m", "text")) == r"identity='a\r\n\x1b[31m': expected text"


def test_parse_error_names_offset_text_and_expectation() -> None:
    error = ParseError("sip:", 4, "a host name")
    assert (error.text, error.offset, error.expected) == ("sip:", 4, "a host name")
    assert str(error) == "expected a host name at offset 4 of 'sip:'"


def test_parse_error_cuts_long_text_wherever_it_is_shown() -> None:
    error = ParseError("x" * 100_000, 7, "less")
    assert error.text == "x" * 120
    assert max(len(str(error)), len(repr(error))) < 200


@pytest.mark.parametrize(
    "kind", [RegistrationError, RegistrationTimeout, RegistrationRejected, AuthenticationFailed, ServerUnreachable]
)
def test_registration_errors_say_their_message_and_may_lack_an_event(kind: type[RegistrationError]) -> None:
    error = kind("sip:toto@example.org: no server answered")
    assert str(error) == "sip:toto@example.org: no server answered"
    assert error.event is None


def test_timeout_is_no_operating_system_error_of_its_own() -> None:
    error = RegistrationTimeout("too late", None)
    assert (str(error), error.errno) == ("too late", None)


def test_server_unreachable_tells_what_was_tried() -> None:
    tried = {"udp:192.0.2.1:5060": "no answer"}
    error = ServerUnreachable("no server answered", None, tried)
    tried.clear()
    assert error.tried == {"udp:192.0.2.1:5060": "no answer"}
    assert ServerUnreachable("no server answered").tried == {}


@pytest.mark.parametrize(
    "error",
    [
        ConfigError("expires", -1, "more"),
        ParseError("sip:", 4, "a host name"),
        CoreClosedError("closed"),
        RegistrationTimeout("late"),
        ServerUnreachable("gone", None, {"udp:192.0.2.1:5060": "no answer"}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_survive_pickling(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
