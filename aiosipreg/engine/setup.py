"""What all accounts of a core have in common, as one value of which each account has a reference."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from aiosipreg.engine.keepalive import KeepAlive
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.engine.timers import RetryPolicy, SipTimers

__all__ = ["Setup"]


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
    """

    random: Random
    timers: SipTimers = field(default_factory=SipTimers)
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    digest: DigestPolicy = field(default_factory=DigestPolicy)
    keepalive: KeepAlive = field(default_factory=KeepAlive)
    user_agent: str | None = None
