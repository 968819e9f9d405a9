"""Every exception that leaves the package (floor 0).

::

    AiosipregError
      ConfigError (ValueError)            a setting that cannot work, refused when the value is built
      ParseError (ValueError)             text that is not SIP
      CoreClosedError (RuntimeError)      a call on a core that was stopped
      RegistrationError                   an awaited registration did not come to be; has ``.event``
        RegistrationTimeout (TimeoutError)
        RegistrationRejected
        AuthenticationFailed
        ServerUnreachable                 has ``.tried``

Protocol failures of a running account are states and events. They become exceptions only where an outcome is awaited.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiosipreg.states import RegistrationEvent

__all__ = [
    "AiosipregError",
    "AuthenticationFailed",
    "ConfigError",
    "CoreClosedError",
    "ParseError",
    "RegistrationError",
    "RegistrationRejected",
    "RegistrationTimeout",
    "ServerUnreachable",
]


class AiosipregError(Exception):
    """The root of all exceptions of this package."""


class ConfigError(AiosipregError, ValueError):
    """A setting that cannot work.

    Attributes:
        field: Name of the setting.
        value: What was given; never a secret.
        expected: What would have been accepted, as a phrase.
    """

    def __init__(self, field: str, value: object, expected: str) -> None:
        super().__init__(field, value, expected)
        self.field = field
        self.value = value
        self.expected = expected

    def __str__(self) -> str:
        return f"{self.field}={self.value!r}: expected {self.expected}"


class ParseError(AiosipregError, ValueError):
    """Text that does not follow the grammar of SIP.

    Attributes:
        text: The offending text, cut to 120 characters.
        offset: Where in the text the parser stopped, counted in characters (octets for a whole message).
        expected: What should have stood there, as a phrase.
    """

    def __init__(self, text: str, offset: int, expected: str) -> None:
        super().__init__(text[:120], offset, expected)
        self.text = text[:120]
        self.offset = offset
        self.expected = expected

    def __str__(self) -> str:
        return f"expected {self.expected} at offset {self.offset} of {self.text!r}"


class CoreClosedError(AiosipregError, RuntimeError):
    """The core was stopped, or not started yet, so the call cannot be carried out."""


class RegistrationError(AiosipregError):
    """An awaited outcome did not come to be.

    Attributes:
        event: Where the account stands: its newest event, with state, reason, status and when it tries again.
    """

    event: RegistrationEvent

    def __init__(self, message: str, event: RegistrationEvent | None = None) -> None:
        super().__init__(message)
        # The package always gives an event; pickle makes the exception first and fills it in afterwards.
        self.event = cast("RegistrationEvent", event)


class RegistrationTimeout(RegistrationError, TimeoutError):
    """The outcome did not arrive within the caller's time limit; the registration itself goes on."""


class RegistrationRejected(RegistrationError):
    """The server refused the registration."""


class AuthenticationFailed(RegistrationError):
    """The server refused the credentials, or there were none for its challenge."""


class ServerUnreachable(RegistrationError):
    """No server answered.

    Attributes:
        tried: What was tried (``udp:192.0.2.1:5060``) and what went wrong there.
    """

    def __init__(
        self, message: str, event: RegistrationEvent | None = None, tried: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message, event)
        self.tried = dict(tried or {})
