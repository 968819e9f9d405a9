"""How long everything takes: SIP timers, back-off, refresh points (RFC 3261 17.1.2, RFC 5626 4.5)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiosipreg.checks import positive, shares
from aiosipreg.errors import ConfigError

if TYPE_CHECKING:
    from random import Random

__all__ = [
    "CROWD_WAIT",
    "LONGEST_RETRY_AFTER",
    "LONGEST_SECURE_RETRY_AFTER",
    "NETWORK_JITTER",
    "REMOVAL_DEADLINE",
    "SHORTEST_CYCLE",
    "SLOW_RETRY",
    "RetryPolicy",
    "SipTimers",
    "refresh_delay",
]

SLOW_RETRY = 1800.0
"""Base wait after refusals that repeating soon cannot mend (section 8, "slow")."""

LONGEST_RETRY_AFTER = 3600.0
"""Cap of a Retry-After received over an unprotected transport (SEC-21)."""

LONGEST_SECURE_RETRY_AFTER = 86400.0
"""The same over TLS, where nobody but the server can have said it."""

REMOVAL_DEADLINE = 4.0
"""A removal that was not confirmed by then is given up (REG-25, pjsua's default)."""

NETWORK_JITTER = 2.0
"""After a change of the network attempts spread over this time (REG-35)."""

SHORTEST_CYCLE = 1.0
"""An account starts at most one attempt a second (SEC-27)."""

CROWD_WAIT = 1.0
"""Who waits longer until its first registration can be sent is one of many that start together (OVL-8)."""

_MARGIN = 37 / 32
"""A refresh begins this many times Timer F before the end: 37 s of the default 32, for the way there and back."""


@dataclass(frozen=True, slots=True)
class SipTimers:
    """The base timers of RFC 3261 17.1.1.1, in seconds; everything derived follows (TXN-12).

    Attributes:
        t1: Round-trip estimate; below 0.5 only on a private network.
        t2: Longest retransmission interval.
        t4: How long a message may live in the network.
        timer_f: A non-INVITE transaction gives up after this time (read only).

    Raises:
        ConfigError: A timer is not above zero, or ``t2`` is below ``t1``.
    """

    t1: float = 0.5
    t2: float = 4.0
    t4: float = 5.0
    timer_f: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for name in ("t1", "t2", "t4"):
            positive(name, getattr(self, name))
        if self.t2 < self.t1:
            raise ConfigError("t2", self.t2, f"at least t1 ({self.t1})")
        object.__setattr__(self, "timer_f", 64 * self.t1)

    @property
    def timer_k(self) -> float:
        """Repeats of a final answer are absorbed for this time on an unreliable transport."""
        return self.t4


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """When a failed registration is tried again (RFC 5626 4.5; OUTB-14, OUTB-15, OUTB-18).

    Attributes:
        base: Seconds that double with every consecutive failure, while no flow of the account works.
        base_not_all_failed: The same while another flow of the account works, so that there is less haste (F-55).
        max: Longest wait in seconds.
        jitter: The wait is drawn evenly between these two shares of it, so that many accounts spread out.
        max_attempts: Give up after this many consecutive failures; ``None`` never gives up.

    Raises:
        ConfigError: A value is out of range.
    """

    base: float = 30.0
    max: float = 1800.0
    jitter: tuple[float, float] = (0.5, 1.0)
    max_attempts: int | None = None
    base_not_all_failed: float = 90.0

    def __post_init__(self) -> None:
        positive("base", self.base)
        positive("base_not_all_failed", self.base_not_all_failed)
        positive("max", self.max)
        shares("jitter", self.jitter)
        attempts = self.max_attempts
        if attempts is not None and (isinstance(attempts, bool) or not isinstance(attempts, int) or attempts < 1):
            raise ConfigError("max_attempts", attempts, "a whole number, 1 or more, or None")

    def delay(self, failures: int, random: Random, *, alive: bool = False) -> float:
        """Seconds to wait after that many consecutive failures.

        Args:
            failures: 1 after the first failure.
            random: Where the jitter comes from.
            alive: Another flow of the account works.
        """
        base = self.base_not_all_failed if alive else self.base
        # A factor of 65536 is beyond any sensible cap; without the bound a year of failures overflows the float.
        wait = min(self.max, base * float(1 << min(failures, 16)))
        return wait * random.uniform(*self.jitter)

    def slow(self, random: Random) -> float:
        """Seconds to wait after a refusal that repeating soon cannot mend."""
        return SLOW_RETRY * random.uniform(*self.jitter)


def refresh_delay(
    granted: float,
    requested: float,
    random: Random,
    *,
    timers: SipTimers,
    window: tuple[float, float] | None = None,
    crowded: bool = False,
) -> float:
    """Seconds from the request that was accepted to the start of its refresh (REG-18, REG-19).

    Many that start together would come together again, hour after hour, each time a tenth of the lifetime further
    apart. So their first refreshes are spread over nearly the whole lifetime, and from then on they are apart (OVL-8).

    Args:
        granted: Lifetime that the registrar granted.
        requested: Lifetime that was asked for; an answer above it does not delay the refresh.
        random: Spreads the refreshes of many accounts.
        timers: Say how long a refresh may take until it has failed.
        window: Two shares of the lifetime to draw from instead of the default rule.
        crowded: The account is one of many that start together.
    """
    lifetime = min(granted, requested)
    if window is not None:
        return max(SHORTEST_CYCLE, lifetime * random.uniform(*window))
    # RFC 5627 4.2: a refresh needs 64*T1 to fail before the binding does.
    timer_f = timers.timer_f
    latest = lifetime / 2 if lifetime <= 2 * timer_f else min(0.9 * lifetime, lifetime - _MARGIN * timer_f)
    least = 0.1 if crowded else 0.9
    return max(SHORTEST_CYCLE, latest * (least + (1.0 - least) * random.random()))
