"""What all accounts of a core have in common, as one value of which each account has a reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from aiosipreg.engine.keepalive import KeepAlive
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.engine.timers import RetryPolicy, SipTimers

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.engine.effects import Flow
    from aiosipreg.wire import SipUri

__all__ = ["Setup"]


def _never(_flow: Flow) -> bool:
    return False


def _unknown(_uri: SipUri) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """How the machines of a core behave.

    Attributes:
        random: Secure randomness.
        timers: SIP timers.
        retry: When failed registrations are tried again.
        digest: Which challenges are answered.
        keepalive: How flows are kept alive.
        user_agent: The User-Agent header; ``None`` leaves it out.
        at_once: Tells whether a request may go out on a flow in use without the question for a flow: nobody waits for a
            turn, nothing is held against a target, and the way is the same.
        way: The same for a URI: the flow on which a request for it may go out without `Locate` and `Connect`, ``None``
            if these have to be asked.
    """

    random: Random
    timers: SipTimers = field(default_factory=SipTimers)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    digest: DigestPolicy = field(default_factory=DigestPolicy)
    keepalive: KeepAlive = field(default_factory=KeepAlive)
    user_agent: str | None = None
    at_once: Callable[[Flow], bool] = _never
    way: Callable[[SipUri], Flow | None] = _unknown
