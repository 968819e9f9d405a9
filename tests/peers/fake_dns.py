"""A DNS server inside the test's event loop, for what a well-behaved server such as NSD cannot be made to do.

It answers from a list of record lines, counts the questions it gets, and fails on request: per question it can stay
silent, answer a code, truncate, or hold the answer back until the test lets it go.
"""

from __future__ import annotations

import asyncio
import enum
from collections import Counter
from typing import Self, cast

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset


class Fault(enum.Enum):
    """What happens to a question instead of an answer."""

    SILENCE = "silence"
    TRUNCATED = "truncated"  # over UDP only: TCP gets the full answer
    HELD = "held"  # until `released` is set


class FakeDns:
    """An async context manager; ``records`` are lines ``owner TTL type data``, all names absolute.

    Attributes:
        nameserver: Address and port, as `DnsParams` takes it.
        asked: How often each ``"TYPE name"`` was asked over UDP or TCP.
        over_tcp: The questions that came over TCP.
        payloads: The EDNS sizes that were announced.
        faults: ``"TYPE name"`` to a fault, or to a response code.
        was_asked: Set whenever a question arrives.
        released: Set by the test to let held answers go.
    """

    def __init__(self, *records: str, host: str = "127.0.0.1") -> None:
        self._host = host
        self._rrsets: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset] = {}
        self.add(*records)
        self.asked: Counter[str] = Counter()
        self.over_tcp: list[str] = []
        self.payloads: set[int] = set()
        self.faults: dict[str, Fault | dns.rcode.Rcode] = {}
        self.released = asyncio.Event()
        self.was_asked = asyncio.Event()
        self._held: set[asyncio.Task[None]] = set()

    def add(self, *records: str) -> None:
        for line in records:
            owner, ttl, kind, data = line.split(None, 3)
            rrset = dns.rrset.from_text(owner, int(ttl), "IN", kind, data)
            known = self._rrsets.setdefault((rrset.name, rrset.rdtype), rrset)
            known.update(rrset)  # type: ignore[no-untyped-call]

    def clear(self) -> None:
        self._rrsets.clear()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        # UDP and TCP must share a port number; the port of a fresh TCP listener is rarely taken for UDP.
        self._tcp = await asyncio.start_server(self._serve_tcp, self._host, 0)
        self.port: int = self._tcp.sockets[0].getsockname()[1]
        self._udp, _ = await loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=(self._host, self.port))
        self.nameserver = f"[{self._host}]:{self.port}" if ":" in self._host else f"{self._host}:{self.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._held:
            task.cancel()
        await asyncio.gather(*self._held, return_exceptions=True)
        self._udp.close()
        self._tcp.close()
        await self._tcp.wait_closed()

    def received(self, data: bytes, address: tuple[str, int], transport: asyncio.DatagramTransport) -> None:
        query = dns.message.from_wire(data)
        text = self._note(query)
        fault = self.faults.get(text)
        if fault is Fault.SILENCE:
            return
        if fault is Fault.HELD:
            task = asyncio.get_running_loop().create_task(self._send_later(query, address, transport))
            self._held.add(task)
            task.add_done_callback(self._held.discard)
            return
        response = self._respond(query)
        if fault is Fault.TRUNCATED:
            response.flags |= dns.flags.TC
            response.answer.clear()
        transport.sendto(response.to_wire(), address)

    async def _send_later(
        self, query: dns.message.Message, address: tuple[str, int], transport: asyncio.DatagramTransport
    ) -> None:
        await self.released.wait()
        transport.sendto(self._respond(query).to_wire(), address)

    async def _serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while size := await reader.readexactly(2):
                query = dns.message.from_wire(await reader.readexactly(int.from_bytes(size, "big")))
                self.over_tcp.append(self._note(query))
                wire = self._respond(query).to_wire()
                writer.write(len(wire).to_bytes(2, "big") + wire)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def _note(self, query: dns.message.Message) -> str:
        text = text_of(query)
        self.asked[text] += 1
        self.was_asked.set()
        if query.edns >= 0:
            self.payloads.add(int(query.payload))
        return text

    def _respond(self, query: dns.message.Message) -> dns.message.Message:
        question = query.question[0]
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA | dns.flags.RA
        code = self.faults.get(text_of(query))
        if isinstance(code, dns.rcode.Rcode):
            response.set_rcode(code)
            return response
        name = question.name
        for _ in range(20):
            found = self._rrsets.get((name, question.rdtype))
            alias = self._rrsets.get((name, dns.rdatatype.CNAME))
            if found is not None:
                response.answer.append(found)
            if found is not None or alias is None:
                break
            response.answer.append(alias)
            name = alias[0].target  # pyright: ignore[reportAttributeAccessIssue]
        if not response.answer and not any(owner == question.name for owner, _ in self._rrsets):
            response.set_rcode(dns.rcode.NXDOMAIN)
        return response


def text_of(query: dns.message.Message) -> str:
    question = query.question[0]
    return f"{dns.rdatatype.to_text(question.rdtype)} {question.name.to_text(omit_final_dot=True).lower()}"


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: FakeDns) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._server.received(data, addr, self._transport)
