"""The GRUUs of one account: addresses that lead to this very device from anywhere (RFC 5627)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from aiosipreg.errors import ParseError
from aiosipreg.wire import SipUri

if TYPE_CHECKING:
    from aiosipreg.engine.binding import Binding

__all__ = ["NO_GRUUS", "Gruus"]

MOST: Final = 64
"""Temporary GRUUs that are kept (section 11.2 of the requirements)."""


class Gruus(NamedTuple):
    """What registrars gave, as they wrote it: nothing in it is read or changed but the scheme (GRUU-6).

    All flows of an account share them, because they all are one instance.

    Attributes:
        public: The public GRUU, the same as long as the instance lives; ``None`` without one.
        temporary: Those that tell nobody whose they are, oldest first; all of them lead here (GRUU-3).
    """

    public: str | None = None
    temporary: tuple[str, ...] = ()

    def learnt(self, binding: Binding | None) -> Gruus:
        """With what a 2xx says of our binding, if it granted one (GRUU-2, GRUU-3)."""
        if binding is None:
            return self
        params = binding.contact.params
        if params.get("pub-gruu") is params.get("temp-gruu") is self.public is None:
            return self  # Nearly every answer ends here.
        secure = isinstance(binding.contact.uri, SipUri) and binding.contact.uri.secure
        given = _usable(binding.temp_gruu, secure=secure)
        temporary = self.temporary
        if given is not None and given not in temporary:
            temporary = (*temporary, given)[-MOST:]
        return Gruus(_usable(binding.pub_gruu, secure=secure), temporary)

    def renounced(self) -> Gruus:
        """When a new Call-ID begins, which ends all temporary ones (GRUU-4)."""
        return self._replace(temporary=()) if self.temporary else self


NO_GRUUS: Final = Gruus()
"""While nobody gave any, and when no binding of the instance is left (GRUU-5, GRUU-7): one for all accounts."""


def _usable(gruu: str | None, *, secure: bool) -> str | None:
    """A GRUU if it is a SIP URI, with the scheme of the registered Contact (GRUU-8, RFC 5630 5.1.1.4)."""
    if gruu is None:
        return None
    try:
        uri = SipUri.parse(gruu)
    except ParseError:
        return None
    if uri.secure is secure:
        return gruu
    return ("sips:" if secure else "sip:") + gruu.partition(":")[2]
