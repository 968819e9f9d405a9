"""DNS questions and answers as values (floor 2): what ``targets`` asks and the resolver answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

__all__ = ["LONGEST_TTL", "SHORTEST_TTL", "Address", "Answer", "Families", "Family", "Naptr", "Question", "Srv"]

LONGEST_TTL = 86400.0
"""No record is kept for longer than this many seconds (DNS-20)."""

SHORTEST_TTL = 1.0
"""And none for less."""


class Naptr(NamedTuple):
    """A NAPTR record (RFC 3403); ``ttl`` in seconds."""

    order: int
    preference: int
    flags: str
    service: str
    regexp: str
    replacement: str
    ttl: float


class Srv(NamedTuple):
    """An SRV record (RFC 2782); ``ttl`` in seconds. The target ``.`` may be written as an empty name too."""

    priority: int
    weight: int
    port: int
    target: str
    ttl: float


class Address(NamedTuple):
    """An A or AAAA record: an IP address as text; ``ttl`` in seconds."""

    host: str
    ttl: float


Family: TypeAlias = Literal["A", "AAAA"]
Families: TypeAlias = Sequence[Family]
"""Address families to ask for, the preferred one first."""


class Question(NamedTuple):
    """What is to be looked up.

    Attributes:
        name: A domain name in lower case without the final dot, always absolute.
        type: The record type.
    """

    name: str
    type: Literal["NAPTR", "SRV", "A", "AAAA"]

    def __str__(self) -> str:
        return f"{self.type} {self.name}"


class Answer(NamedTuple):
    """What was found.

    Attributes:
        records: Records of the type that was asked for, in the server's order.
        ttl: Seconds for which this answer is good, the negative ones too.
        trouble: Why nobody could tell (time-out, SERVFAIL), as a phrase. ``None`` together with no records: there are
            none (NXDOMAIN or NODATA).
    """

    records: tuple[Naptr | Srv | Address, ...]
    ttl: float
    trouble: str | None = None
