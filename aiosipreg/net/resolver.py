"""Asks the name servers what `select_targets` wants to know (floor 3), by aiodns.

The answers are kept for their time to live, and accounts that ask the same thing at the same time share one query: a
thousand accounts of one domain cost what one costs. Addresses are looked up in the hosts file first.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from functools import partial
from ipaddress import IPv6Address
from typing import TYPE_CHECKING, Final, NamedTuple

from aiosipreg.engine.dns import SHORTEST_TTL, Address, Answer
from aiosipreg.engine.targets import Located, ResolutionFailed, select_targets
from aiosipreg.net.hosts import HostsFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from random import Random

    from aiosipreg.engine.dns import Families, Question
    from aiosipreg.engine.targets import Search, Transport
    from aiosipreg.net.cares import Channel
    from aiosipreg.net.stats import Stats
    from aiosipreg.settings import DnsParams
    from aiosipreg.wire import SipUri

__all__ = ["Resolver"]

logger = logging.getLogger("aiosipreg.dns")

LONGEST_ABSENCE: Final = 300.0
"""c-ares believes it for the SOA's minimum; after this many seconds it is made to ask again (DNS-20)."""

LONGEST_OUTAGE: Final = 86400.0
"""Records that are out of date serve for so long while nobody can tell whether they still hold (RFC 8767 4)."""

OUTAGE_TTL: Final = 30.0
"""In between the name servers are asked again, after this many seconds (RFC 8767 5)."""

HOSTS_TTL: Final = 30.0
MAX_KNOWN: Final = 4096
TRIES: Final = 3

# Of the time limit, so that a router that swallows NAPTR or SRV questions leaves time for the addresses.
SERVICE_SHARE: Final = 0.35

_LATE: Final = Answer((), SHORTEST_TTL, "no answer in time")
# A documentation address: there is a route to it exactly where there is one to the IPv6 internet.
_FAR: Final = ("2001:db8::1", 9)
_FAMILIES_FOR: Final = 5.0


class _Known(NamedTuple):
    answer: Answer
    until: float
    good_until: float

    def serves(self, now: float) -> bool:
        """Whether it is better than to know nothing."""
        return bool(self.answer.records) and now < self.good_until + LONGEST_OUTAGE


class Resolver:
    """Finds targets; one per core, made inside its running event loop.

    Args:
        params: Whom to ask, and for how long.
        random: Draws the order among SRV records.
        stats: Counters to keep.
    """

    def __init__(self, params: DnsParams, *, random: Random, stats: Stats) -> None:
        self._params = params
        self._random = random
        self._stats = stats
        self._loop = asyncio.get_running_loop()
        self._hosts = HostsFile(params.hosts_file) if params.hosts_file is not None else None
        self._dns: Channel | None = None
        self._dns_since = 0.0
        self._retired: Channel | None = None
        self._known: dict[Question, _Known] = {}
        # Where an address leads takes no question, so it is found once for all accounts.
        self._literals: dict[tuple[str, tuple[Transport, ...]], Located] = {}
        # The domains that led to a secure transport, with whether they have ceased to.
        self._secured: dict[str, bool] = {}
        self._asking: dict[Question, asyncio.Task[Answer]] = {}
        self._tasks: set[asyncio.Task[Answer]] = set()
        self._families: Families = ()
        self._families_until = 0.0
        self._closed = False

    async def locate(self, uri: SipUri, transports: Sequence[Transport]) -> Located:
        """Find the targets of a URI (RFC 3263).

        Cancelling it leaves the queries running for others who wait for them.

        Args:
            uri: A sip or sips URI.
            transports: What is enabled, most preferred first.

        Raises:
            ResolutionFailed: Nothing was found, nobody could tell within the time limit, the domain may not be used
                without TLS any more, or the resolver is closed.
        """
        deadline = self._loop.time() + self._params.timeout
        search = select_targets(uri, transports=transports, random=self._random, families=self._preferred_families())
        found = self._step(search)
        while not isinstance(found, Located):
            found = self._step(search, await self._answers(found, deadline))
        return found

    def at_hand(self, uri: SipUri, transports: tuple[Transport, ...]) -> Located | None:
        """What `locate` would find, if it takes no question to a name server; ``None`` if it does.

        Raises:
            ResolutionFailed: Nothing can be found, or the domain may not be used without TLS any more.
        """
        literal = self._literals.get((str(uri), transports))
        if literal is not None:
            return literal
        search = select_targets(uri, transports=transports, random=self._random, families=self._preferred_families())
        found = self._step(search)
        if isinstance(found, Located):
            self._literals[str(uri), transports] = found
            if len(self._literals) > MAX_KNOWN:
                del self._literals[next(iter(self._literals))]
        while not isinstance(found, Located):
            known = [answer for question in found if (answer := self._recall(question)) is not None]
            if self._closed or len(known) < len(found):
                return None
            found = self._step(search, tuple(known))
        return found

    def forget(self) -> None:
        """Drop every answer, because another network may give others; what is being asked is asked anew."""
        self._known.clear()
        self._asking.clear()
        self._families_until = 0.0
        self._retire()

    async def close(self) -> None:
        """End all queries and free the sockets; whoever waits for one gets `ResolutionFailed`. Idempotent."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for dns in (self._dns, self._retired):
            if dns is not None:
                # c-ares answers from a thread of its own: it must be silent before the event loop closes.
                await dns.close()
        self._dns = self._retired = None
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _step(self, search: Search, answers: tuple[Answer, ...] | None = None) -> Located | tuple[Question, ...]:
        """Go on with a search: its next questions, or what it found."""
        try:
            return next(search) if answers is None else search.send(answers)
        except StopIteration as stop:
            located: Located = stop.value
        self._watch(located)
        return located

    def _watch(self, located: Located) -> None:
        """Notice when a domain does not offer TLS any more, and refuse that if we are told to (DNS-22, RFC 3263 7)."""
        name = located.targets[0].name
        if located.secured:
            self._secured.pop(name, None)
            self._secured[name] = False
            if len(self._secured) > MAX_KNOWN:
                del self._secured[next(iter(self._secured))]
        if located.secured is not False or name not in self._secured or located.targets[0].transport.secure:
            return
        if not self._secured[name]:
            self._secured[name] = True
            self._stats.downgrades += 1
            logger.warning("%s offered TLS by its NAPTR records before, and does not now; somebody may hide them", name)
        if self._params.refuse_downgrade:
            raise ResolutionFailed(
                f"{name} offered TLS by its NAPTR records before, and not now; by DnsParams(refuse_downgrade=True) it "
                "is left alone until it does: check the network and the name servers",
                absent=False,
            )

    async def _answers(self, questions: Sequence[Question], deadline: float) -> tuple[Answer, ...]:
        if self._closed:
            raise ResolutionFailed("the resolver is closed; start the core", absent=False)
        known = {question: self._recall(question) for question in questions}
        tasks = {question: self._ask(question) for question, answer in known.items() if answer is None}
        if tasks:
            patience = deadline - self._loop.time()
            if not all(question.type in ("A", "AAAA") for question in tasks):
                patience = min(patience, SERVICE_SHARE * self._params.timeout)
            # `wait` cancels nothing when it ends: the tasks are shared.
            await asyncio.wait(tasks.values(), timeout=max(patience, 0.0))
        return tuple(known[question] or self._outcome(question, tasks[question]) for question in questions)

    def _outcome(self, question: Question, task: asyncio.Task[Answer]) -> Answer:
        """What came of a question: the records from before if nobody could tell."""
        answer = task.result() if task.done() and not task.cancelled() else _LATE
        known = self._known.get(question)
        if answer.trouble is not None and known is not None and known.serves(self._loop.time()):
            return Answer(known.answer.records, SHORTEST_TTL)
        return answer

    def _recall(self, question: Question) -> Answer | None:
        now = self._loop.time()
        known = self._known.get(question)
        if known is None or known.until <= now:
            return None
        return Answer(known.answer.records, known.until - now, known.answer.trouble)

    def _ask(self, question: Question) -> asyncio.Task[Answer]:
        task = self._asking.get(question)
        if task is None:
            known = self._known.get(question)
            absent = known is not None and not known.answer.records and known.answer.trouble is None
            if absent and self._loop.time() - self._dns_since >= LONGEST_ABSENCE:
                self._retire()
            task = self._asking[question] = self._loop.create_task(self._look_up(question), name=f"dns {question}")
            self._tasks.add(task)
            task.add_done_callback(partial(self._asked, question))
        return task

    def _asked(self, question: Question, task: asyncio.Task[Answer]) -> None:
        self._tasks.discard(task)
        if self._asking.get(question) is not task:
            return  # forgotten meanwhile
        del self._asking[question]
        if not task.cancelled() and task.exception() is None:
            self._remember(question, task.result())

    def _remember(self, question: Question, answer: Answer) -> None:
        now = self._loop.time()
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug(
                "%s: %d records, ttl %g, %s", question, len(answer.records), answer.ttl, answer.trouble or "ok"
            )
        before = self._known.get(question)
        if answer.trouble is not None and before is not None and before.serves(now):
            logger.info("%s: %s; the records that were found before serve on", question, answer.trouble)
            self._known[question] = before._replace(until=now + OUTAGE_TTL)
            return
        self._known[question] = _Known(answer, now + answer.ttl, now + answer.ttl)
        if len(self._known) > MAX_KNOWN:
            self._known = {key: known for key, known in self._known.items() if known.until > now}
        while len(self._known) > MAX_KNOWN:
            del self._known[next(iter(self._known))]

    async def _look_up(self, question: Question) -> Answer:
        try:
            # c-ares has limits of its own, but a record that pycares cannot read is never answered at all.
            async with asyncio.timeout(self._params.timeout):
                if self._hosts is not None and question.type in ("A", "AAAA"):
                    addresses = await self._hosts.addresses(question.name)
                    if addresses:
                        return _from_hosts(question, addresses)
                return await self._server().ask(question)
        except TimeoutError:
            return _LATE

    def _server(self) -> Channel:
        if self._dns is None:
            # Loaded and made when first needed, since accounts with numeric servers can do without: it starts a thread.
            from aiosipreg.net.cares import Channel

            timeout = self._params.timeout * SERVICE_SHARE / TRIES
            self._dns = Channel(self._params.nameservers, self._loop, timeout=timeout, tries=TRIES)
            self._dns_since = self._loop.time()
        return self._dns

    def _retire(self) -> None:
        """Go on with an empty cache of c-ares, which only a new channel has for certain.

        The old one lives on for who waits for it, until the next takes its place.
        """
        if self._dns is not None:
            if self._retired is not None:
                self._retired.cancel()
            self._retired, self._dns = self._dns, None

    def _preferred_families(self) -> Families:
        now = self._loop.time()
        if now >= self._families_until:
            self._families, self._families_until = _families(), now + _FAMILIES_FOR
        return self._families


def _from_hosts(question: Question, addresses: Iterable[str]) -> Answer:
    # A name in the file is not asked for in DNS, not for its other address family either, as the system does it.
    wanted = (address for address in addresses if (":" in address) is (question.type == "AAAA"))
    return Answer(tuple(Address(address, HOSTS_TTL) for address in wanted), HOSTS_TTL)


def _families() -> Families:
    """IPv6 first where this machine has a public IPv6 address to send from, else IPv4 first (RFC 6724, in essence)."""
    if not socket.has_ipv6:
        return ("A",)
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(_FAR)  # sends nothing: the system chooses route and source address
            source = IPv6Address(probe.getsockname()[0].partition("%")[0])
    except OSError:
        return "A", "AAAA"
    return ("A", "AAAA") if source.is_private else ("AAAA", "A")
