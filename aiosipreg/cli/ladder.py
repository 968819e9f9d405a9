"""The messages between a client and a registrar as a ladder, with the states of the client beside them."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from aiosipreg.cli.text import STATE_STYLES, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.console import Console

    from aiosipreg import RegistrationEvent
    from aiosipreg.testing import Packet, Registrar
    from aiosipreg.wire import Message, Request

__all__ = ["ASCII", "UNICODE", "Glyphs", "Ladder", "glyphs_for"]

_BETWEEN = 56
"""Columns between the two lifelines; with the time and the state in front that makes 79."""

_MARGIN = 21

_ON_ARROW = _BETWEEN - 5
"""What stands on an arrow, with some of the arrow on both sides."""

_DIGEST_PARAM = re.compile(r'(\w+)=("[^"]*"|[^,\s]+)')


@dataclass(frozen=True, slots=True)
class Glyphs:
    """What lines are drawn with."""

    line: str
    life: str
    leave_left: str
    leave_right: str
    right: str
    left: str
    event: str
    lost: str
    good: str
    bad: str
    cut: str


UNICODE = Glyphs("─", "│", "├", "┤", "▶", "◀", "●", "✗", "✓", "✗", "…")
ASCII = Glyphs("-", "|", "|", "|", ">", "<", "*", "x", "ok:", "FAILED:", "...")


def glyphs_for(console: Console) -> Glyphs:
    """Lines if the console can show them, else plain characters."""
    return ASCII if console.options.ascii_only else UNICODE


class Ladder:
    """Draws what a registrar received and sent, in the order of time, together with the events of a client.

    Both ends live in one process and on one event loop, so that their times can be compared.

    Args:
        console: Where to draw.
        registrar: The right-hand end.
        began: Time zero of the first column, in ``loop.time()``.
    """

    def __init__(self, console: Console, registrar: Registrar, began: float) -> None:
        self._console = console
        self._registrar = registrar
        self._began = began
        self._glyphs = glyphs_for(console)
        self._requests = 0
        self._responses = 0

    def heading(self) -> None:
        """The names of the columns."""
        self._console.print()
        text = Text(f"{'time':>7}  {'state':<10} {'client'}", "dim")
        text.append(f"{'registrar':>{_MARGIN + _BETWEEN + 1 - len(text)}}")
        self._console.print(text)

    def event(self, event: RegistrationEvent) -> None:
        """Draw the messages up to this event, and the event."""
        self.catch_up(event.at)
        style = STATE_STYLES[event.state]
        first, *others = textwrap.wrap(printable(event.message), _BETWEEN - 4) or [""]
        self._row(event.at, Text(first), client=Text(self._glyphs.event, style), state=Text(str(event.state), style))
        for line in others:
            self._row(None, Text(line))

    def catch_up(self, until: float | None = None, *, answers_lost: bool = False) -> None:
        """Draw the messages that have not been drawn.

        Args:
            until: Those up to this time; ``None`` for all.
            answers_lost: What the registrar sent did not arrive.
        """
        requests = self._registrar.requests[self._requests :]
        responses = self._registrar.responses[self._responses :]
        due = [(packet.at, 0, packet) for packet in requests] + [(packet.at, 1, packet) for packet in responses]
        # A request is answered within the same moment, so that it comes first.
        for at, is_response, packet in sorted(due, key=lambda entry: entry[:2]):
            if until is not None and at > until:
                break
            if is_response:
                self._responses += 1
                self._response(packet, lost=answers_lost)
            else:
                self._requests += 1
                self._request(packet)

    def _request(self, packet: Packet) -> None:
        request = packet.request
        again = ", again" if packet.retransmission else ""
        label = self._fitting(f"{request.method} {request.uri}{_number(request)}{again}")
        glyphs = self._glyphs
        arrow = Text(f"{glyphs.line * 2} {label} ", "yellow" if again else "cyan")
        arrow.append(glyphs.line * (_BETWEEN - 1 - len(arrow)) + glyphs.right)
        self._row(packet.at, arrow, client=Text(glyphs.leave_left, arrow.style))
        self._headers(request)

    def _response(self, packet: Packet, *, lost: bool) -> None:
        response, glyphs = packet.response, self._glyphs
        style = "red" if lost else "green" if response.status < 300 else "yellow"
        if lost:
            half = _BETWEEN // 2
            label = self._fitting(f"{response.status} {response.reason}", half - 10)
            arrow = Text(" " * half + glyphs.lost, style)
            arrow.append(f" {label}, lost ".center(_BETWEEN - len(arrow), glyphs.line))
        else:
            label = self._fitting(f"{response.status} {response.reason}")
            arrow = Text(f"{glyphs.left}{glyphs.line} {label} ", style)
            arrow.append(glyphs.line * (_BETWEEN - len(arrow)))
        self._row(packet.at, arrow, registrar=Text(glyphs.leave_right, style))
        if not lost:
            self._headers(response)

    def _headers(self, message: Message) -> None:
        for line in telling_headers(message):
            self._row(None, Text(f"   {self._fitting(line, _BETWEEN - 3)}", "dim"))

    def _fitting(self, text: str, room: int = _ON_ARROW) -> str:
        safe, cut = printable(text), self._glyphs.cut
        return safe if len(safe) <= room else safe[: room - len(cut)] + cut

    def _row(
        self,
        at: float | None,
        middle: Text,
        *,
        state: Text | None = None,
        client: Text | None = None,
        registrar: Text | None = None,
    ) -> None:
        life = Text(self._glyphs.life, "dim")
        row = Text("" if at is None else f"{at - self._began:7.3f}")
        row.pad_right(9 - len(row))
        row.append_text(state or Text())
        row.pad_right(_MARGIN - 1 - len(row))
        row.append_text(client or life)
        if state is not None or (at is None and not middle.plain.startswith(" ")):
            row.append("   ")
        row.append_text(middle)
        row.pad_right(_MARGIN + _BETWEEN - len(row))
        row.append_text(registrar or life)
        self._console.print(row)


def telling_headers(message: Message) -> Iterator[str]:
    """The headers that tell what a REGISTER or its answer is about, shortened.

    Args:
        message: A message of the registrar's record.
    """
    for name, value in message.headers.items():
        if name in ("Authorization", "WWW-Authenticate"):
            wanted = ("username", "nc") if name == "Authorization" else ("algorithm",)
            params = dict(_DIGEST_PARAM.findall(value))
            told = ", ".join(f"{key}={params[key]}" for key in wanted if key in params)
            yield f"{name}: Digest {told}".rstrip()
        elif name == "Contact":
            yield f"{name}: {value}"


def _number(request: Request) -> str:
    return "" if request.cseq is None else f", CSeq {request.cseq.number}"
