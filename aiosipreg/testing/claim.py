"""What a REGISTER speaks for, once it is found fit to be processed (RFC 3261 8.2 and 10.3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiosipreg.testing.replies import address_of_record, phrase
from aiosipreg.wire import ParseError

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.testing.bindings import StoredBinding
    from aiosipreg.wire import Request

__all__ = ["Claim", "RefusedError", "read_claim"]


class RefusedError(Exception):
    """A REGISTER that is answered with an error.

    Attributes:
        status: SIP status code.
        reason: Reason phrase.
        headers: Headers that belong to that answer.
    """

    def __init__(self, status: int, reason: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Claim:
    """What a REGISTER speaks for, and what tells a later one from an earlier one (RFC 3261 10.3 step 7).

    Attributes:
        aor: Address-of-record.
        call_id: Its Call-ID.
        cseq: Its CSeq number.
    """

    aor: str
    call_id: str
    cseq: int

    def check(self, binding: StoredBinding) -> None:
        """Refuse what comes out of claim.

        Raises:
            RefusedError: The binding was set by the same Call-ID with this CSeq or a higher one.
        """
        if self.call_id == binding.call_id and self.cseq <= binding.cseq:
            raise RefusedError(500, "CSeq Out Of Order")


def read_claim(request: Request, understands: Callable[[str], bool]) -> Claim:
    """The claim of a REGISTER that can be processed (RFC 3261 8.2 and 10.3 steps 2 and 5).

    Args:
        request: Any request.
        understands: Whether it may require an option tag.

    Raises:
        RefusedError: 400 for a mandatory header that is missing or malformed, 405 for another method, 420 for an option
            tag that is not understood.
    """
    try:
        cseq, to, call_id, from_ = request.cseq, request.to, request.call_id, request.from_
    except ParseError as error:
        raise RefusedError(400, "Malformed Header") from error
    if cseq is None or to is None or call_id is None or from_ is None:
        raise RefusedError(400, "Missing Header")
    if cseq.method != request.method:
        raise RefusedError(400, "CSeq Of Another Method")
    if request.method != "REGISTER":
        raise RefusedError(405, phrase(405), (("Allow", "REGISTER"),))
    unknown = [tag for tag in request.require if not understands(tag)]
    if unknown:
        raise RefusedError(420, phrase(420), (("Unsupported", ", ".join(unknown)),))
    return Claim(address_of_record(to.uri), call_id, cseq.number)
