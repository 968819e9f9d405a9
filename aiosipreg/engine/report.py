"""Text of the network made fit for logs and people (SEC-38), and the sentence that goes with an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiosipreg.states import Reason, RegistrationState

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiosipreg.engine.outcome import Outcome
    from aiosipreg.engine.transitions import Transition
    from aiosipreg.wire import Response

__all__ = ["all_realms", "clean", "sentence", "told"]

_LONGEST = 512
_BRIEF = 30.0

_PLAIN: Final[Mapping[str, str]] = {
    "F-04": "unregistering",
    "F-09": "unregistered before anything was sent",
    "F-11": "unregistered: the server had refused the registration",
    "F-14": "refreshing the binding",
    "F-15": "registering the changed settings",
    "F-19": "the registrar dropped the binding; registering again",
    "F-17": "the network changed; registering from where we are now",
    "F-23": "unregistering",
    "F-24": "the binding ran out",
    "F-29": "the binding ran out while it was being renewed",
    "F-32": "unregistering",
    "F-33": "unregistered",
    "F-40": "woken; registering",
    "F-41": "unregistering",
    "F-42": "unregistered",
    "F-43": "closed; a binding is left to run out",
}

_DOUBTS: Final[Mapping[Reason, str]] = {
    Reason.AUTH_DOWNGRADE: "registered, but with weaker authentication than this realm accepted before",
    Reason.SERVER_NOT_AUTHENTICATED: "registered, but the server's proof of knowing the secret is wrong",
    Reason.REALM_MISMATCH: "registered, but the realm that asked for the password is none of the server's certificate",
    Reason.CONTACT_MISMATCH: "registered, but the server does not list our Contact as we sent it",
    Reason.UNEXPECTED_PROXY: "registered, but requests to us come through a proxy that path_hosts does not name",
    Reason.UNCONFIRMED: "the server agreed to unregister, but still lists our Contact",
}

_WISHES_SIPS: Final = "it wants a sips URI, which only the settings can bring"


def clean(text: str) -> str:
    """Escape what could steer a terminal or a log: control octets, bidirectional marks, broken UTF-8; cut to 512."""
    return "".join(map(_visible, text[:_LONGEST]))[:_LONGEST]


def _visible(character: str) -> str:
    if character.isprintable():
        return character
    octets = character.encode("utf-8", "surrogateescape")
    return "".join(f"\\x{octet:02x}" for octet in octets)


def all_realms(response: Response) -> str:
    """The realms of a challenge."""
    return ", ".join(f"realm {clean(realm)}" for realm in dict.fromkeys(row.realm for row in response.challenges))


def sentence(
    transition: Transition, outcome: Outcome | None, reason: Reason, wait: float | None, *, paused: bool = False
) -> str:
    """What happened, and what is done about it.

    Args:
        transition: The row of the state table.
        outcome: What ended the attempt, if that is what happened.
        reason: The reason that is reported.
        wait: Seconds until the next attempt; ``None`` when there is none by itself. After a success the lifetime of the
            binding.
        paused: It is not made before somebody resumes.
    """
    if reason in _DOUBTS and transition.target in (RegistrationState.OK, RegistrationState.CLEARED):
        return _DOUBTS[reason]
    if wait is not None and transition.target is RegistrationState.OK:
        brief = ", which is very brief" if wait < _BRIEF else ""
        return f"registered for {wait:.0f} s{brief}"
    if outcome is None or (transition.id in _PLAIN and outcome.row.id != "RSP-NET"):
        return _PLAIN.get(transition.id, "registering")
    if wait is None:
        return told(outcome)
    return f"{told(outcome)}; {'paused' if paused else f'next attempt in {wait:.0f} s'}"


def told(outcome: Outcome) -> str:
    """Why an attempt came to nothing, as a sentence."""
    response = outcome.response
    status = f"{response.status} {clean(response.reason)}".strip() if response is not None else ""
    # The cause may quote the network too: the Contacts of a redirect, a header that is no SIP.
    wish = _WISHES_SIPS if response is not None and any(entry.code == 381 for entry in response.warnings) else ""
    details = ", ".join(detail for detail in (status, clean(outcome.cause), wish) if detail)
    return f"{outcome.row.advice} ({details})" if details else outcome.row.advice
