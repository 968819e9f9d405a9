"""What a registrar may say of our own Contact in a NOTIFY of the reg event package (RFC 3680 4.7.1, 5.1; EVT-11)."""

from __future__ import annotations

import enum
from typing import NamedTuple

__all__ = ["ContactEvent", "Notice"]


class ContactEvent(enum.Enum):
    """Events that end or shorten a binding, by the names of RFC 3680."""

    SHORTENED = "shortened"
    DEACTIVATED = "deactivated"
    """Register again at once."""
    PROBATION = "probation"
    """Register again later."""
    REJECTED = "rejected"
    """Do not register again."""
    UNREGISTERED = "unregistered"
    """Somebody else removed the binding."""
    EXPIRED = "expired"


class Notice(NamedTuple):
    """One such event.

    Attributes:
        event: What happened.
        trusted: It came over a protected flow; a forged one would end a registration (SEC-32).
        expires: Seconds that are left of the binding.
        retry_after: Seconds to wait before the next attempt.
    """

    event: ContactEvent
    trusted: bool
    expires: float = 0.0
    retry_after: float | None = None
