"""c-ares: questions to name servers, and what its answers say (floor 3), by aiodns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import aiodns
import pycares

from aiosipreg.engine.dns import LONGEST_TTL, SHORTEST_TTL, Address, Answer, Naptr, Srv
from aiosipreg.wire.host import plain_name

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

    from aiosipreg.engine.dns import Question

__all__ = ["ABSENT_TTL", "MAX_CNAMES", "Channel"]

ABSENT_TTL: Final = 30.0
"""How long "no such record" is believed: c-ares shows no SOA, so the zone's own time is unknown to us."""

MAX_CNAMES: Final = 8

_ABSENT: Final = (aiodns.error.ARES_ENOTFOUND, aiodns.error.ARES_ENODATA, aiodns.error.ARES_EBADNAME)
_TYPES: Final = {
    "A": pycares.QUERY_TYPE_A,
    "AAAA": pycares.QUERY_TYPE_AAAA,
    "SRV": pycares.QUERY_TYPE_SRV,
    "NAPTR": pycares.QUERY_TYPE_NAPTR,
}


class Channel:
    """One channel of c-ares: a cache, sockets, and a thread that ends when it is closed.

    Args:
        nameservers: Whom to ask; those of the system if there are none.
        loop: Where the answers come to.
        timeout: Seconds for each try.
        tries: How often each of them is asked.
    """

    def __init__(
        self, nameservers: Sequence[str], loop: asyncio.AbstractEventLoop, *, timeout: float, tries: int
    ) -> None:
        self._dns = aiodns.DNSResolver(nameservers, loop, timeout=timeout, tries=tries)

    async def ask(self, question: Question) -> Answer:
        """Ask; what is wrong is part of the answer."""
        try:
            result = await self._dns.query_dns(question.name, question.type)
        except aiodns.error.DNSError as error:
            code, text = error.args
            return Answer((), ABSENT_TTL) if code in _ABSENT else Answer((), SHORTEST_TTL, text)
        return _read(question, result.answer)

    def cancel(self) -> None:
        """Give up what is being asked."""
        self._dns.cancel()

    async def close(self) -> None:
        """Free the sockets, and end the thread."""
        await self._dns.close()


def _read(question: Question, records: Sequence[pycares.DNSRecord]) -> Answer:
    """The records that a CNAME chain ends in; the server has followed it."""
    ttl = LONGEST_TTL
    name = question.name
    aliases = {
        plain_name(record.name): (plain_name(record.data.cname), record.ttl)
        for record in records
        if isinstance(record.data, pycares.CNAMERecordData)
    }
    for _ in range(MAX_CNAMES + 1):
        if name not in aliases:
            break
        name, alias_ttl = aliases[name]
        ttl = min(ttl, alias_ttl)
    else:
        return Answer((), ABSENT_TTL, f"more than {MAX_CNAMES} CNAMEs in a row")
    found = [(record, _convert(record)) for record in records if plain_name(record.name) == name]
    values = tuple(value for record, value in found if value is not None and record.type == _TYPES[question.type])
    if not values:
        return Answer((), ABSENT_TTL)
    return Answer(values, max(min(ttl, *(value.ttl for value in values)), SHORTEST_TTL))


def _convert(record: pycares.DNSRecord) -> Naptr | Srv | Address | None:
    match record.data:
        case pycares.ARecordData(addr=host) | pycares.AAAARecordData(addr=host):
            return Address(host, record.ttl)
        case pycares.SRVRecordData() as data:
            return Srv(
                priority=data.priority, weight=data.weight, port=data.port, target=data.target, ttl=record.ttl
            )  # fmt: skip
        case pycares.NAPTRRecordData() as data:
            return Naptr(
                order=data.order, preference=data.preference, flags=data.flags, service=data.service,
                regexp=data.regexp, replacement=data.replacement, ttl=record.ttl,
            )  # fmt: skip
        case _:
            return None
