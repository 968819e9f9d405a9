"""The location service of the test registrar: the binding rules of RFC 3261 10.3, steps 6 to 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiosipreg.testing.claim import RefusedError
from aiosipreg.testing.extensions import asks_for_outbound, instance_of, reg_id_of
from aiosipreg.wire import ParseError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiosipreg.testing.claim import Claim
    from aiosipreg.testing.flow import Flow
    from aiosipreg.testing.network import Address
    from aiosipreg.wire import NameAddr, Request

__all__ = ["BindingTable", "StoredBinding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBinding:
    """One contact of an address-of-record.

    Attributes:
        contact: The entry of the Contact header as it was registered, with its parameters.
        expires_at: When it lapses, in the seconds that the registrar is given as ``now``.
        call_id: Call-ID of the REGISTER that set it last.
        cseq: CSeq number of that REGISTER.
        user_agent: Its User-Agent, ``None`` without one.
        flow: Over which transport and connection that REGISTER came, and from which address.
        reg_id: Its reg-id, where outbound was agreed on; such a binding is replaced by the next one with the same
            instance-id and reg-id, whatever its URI is (RFC 5626 6).
        pub_gruu: The public GRUU of its instance, if the client asked for GRUUs.
        temp_gruu: The newest temporary one.
    """

    contact: NameAddr
    expires_at: float
    call_id: str
    cseq: int
    user_agent: str | None
    flow: Flow
    reg_id: int | None = None
    pub_gruu: str | None = None
    temp_gruu: str | None = None

    @property
    def source(self) -> Address:
        """Where the REGISTER that set it last came from."""
        return self.flow.peer

    @property
    def instance_id(self) -> str | None:
        """The instance-id of its contact without brackets, ``None`` if it has none."""
        return instance_of(self.contact)

    @property
    def params(self) -> Mapping[str, str | None]:
        """The parameters of the Contact entry."""
        return self.contact.params

    def remaining(self, now: float) -> int:
        """Whole seconds left, at least 1: what an answer lists."""
        return max(1, round(self.expires_at - now))


class BindingTable:
    """The bindings of all addresses-of-record.

    ``plan`` works out what a REGISTER would change and ``store`` changes it, so that a request is carried out as a
    whole or not at all, and an answer that a test replaces by an error changes nothing.
    """

    def __init__(self, *, min_expires: int | None, max_expires: int | None, default_expires: int) -> None:
        """Make an empty table.

        Args:
            min_expires: Shorter lifetimes than this many seconds are refused with 423; ``None`` takes any.
            max_expires: Longer ones are cut to this; ``None`` grants any.
            default_expires: Lifetime in seconds for contacts that ask for none.
        """
        self._min_expires = min_expires
        self._max_expires = max_expires
        self._default_expires = default_expires
        self._by_aor: dict[str, tuple[StoredBinding, ...]] = {}

    def current(self, aor: str, now: float) -> tuple[StoredBinding, ...]:
        """The bindings of one address-of-record that have not lapsed.

        Args:
            aor: Address-of-record as ``address_of_record`` writes it.
            now: The time in seconds.
        """
        return tuple(binding for binding in self._by_aor.get(aor, ()) if binding.expires_at > now)

    def all(self, now: float) -> dict[str, tuple[StoredBinding, ...]]:
        """Every address-of-record with its bindings; those without any are left out.

        Args:
            now: The time in seconds.
        """
        return {aor: bindings for aor in self._by_aor if (bindings := self.current(aor, now))}

    def store(self, aor: str, bindings: tuple[StoredBinding, ...]) -> None:
        """Replace the bindings of an address-of-record."""
        if bindings:
            self._by_aor[aor] = bindings
        else:
            self._by_aor.pop(aor, None)

    def clear(self) -> None:
        """Forget all bindings."""
        self._by_aor.clear()

    def plan(
        self, request: Request, claim: Claim, flow: Flow, now: float, *, outbound: bool = False
    ) -> tuple[StoredBinding, ...]:
        """The bindings that there would be after a REGISTER.

        Args:
            request: The REGISTER.
            claim: What it speaks for.
            flow: Where it came from.
            now: The time in seconds.
            outbound: Whether contacts with a reg-id are told apart by that (RFC 5626).

        Raises:
            RefusedError: 400 for a wrong ``*`` or a malformed Contact, 423 for a lifetime too brief, 500 for a CSeq
                that is not above that of the binding with the same Call-ID (RFC 3261 10.3 step 7).
        """
        contacts = _contacts(request)
        current = self.current(claim.aor, now)
        if any(contact.is_star for contact in contacts):
            _check_star(request, claim, current)
            return ()
        lifetimes = [self._granted(request, contact) for contact in contacts]
        outbound = outbound and asks_for_outbound(request)
        # RFC 5626 6: one flow can be bound to one contact only.
        if outbound and sum(lifetime > 0 for lifetime in lifetimes) > 1:
            raise RefusedError(400, "Several Contacts With Reg-Id")
        planned = list(current)
        for contact, lifetime in zip(contacts, lifetimes, strict=True):
            reg_id = reg_id_of(contact) if outbound else None
            known = _find(planned, contact, reg_id)
            if known is not None:
                claim.check(planned[known])
            if lifetime == 0:
                if known is not None:
                    del planned[known]
                continue
            updated = StoredBinding(
                contact=contact,
                expires_at=now + lifetime,
                call_id=claim.call_id,
                cseq=claim.cseq,
                user_agent=request.headers.get("User-Agent"),
                flow=flow,
                reg_id=reg_id,
            )
            if known is None:
                planned.append(updated)
            else:
                planned[known] = updated
        return tuple(planned)

    def _granted(self, request: Request, contact: NameAddr) -> int:
        asked = contact.expires if contact.expires is not None else request.expires
        lifetime = self._default_expires if asked is None else asked
        if self._min_expires is not None and 0 < lifetime < self._min_expires:
            raise RefusedError(423, "Interval Too Brief", (("Min-Expires", str(self._min_expires)),))
        return lifetime if self._max_expires is None else min(lifetime, self._max_expires)


def _find(bindings: Sequence[StoredBinding], contact: NameAddr, reg_id: int | None) -> int | None:
    """Which binding a contact is about: the one of its instance-id and reg-id, or without them the one of its URI."""
    for number, binding in enumerate(bindings):
        if reg_id is None:
            # A list, not a mapping by URI: comparison by RFC 3261 19.1.4 is what finds a binding.
            found = binding.contact.uri == contact.uri
        else:
            found = (binding.reg_id, binding.instance_id) == (reg_id, instance_of(contact))
        if found:
            return number
    return None


def _contacts(request: Request) -> tuple[NameAddr, ...]:
    try:
        contacts = request.contacts
    except ParseError as error:
        raise RefusedError(400, "Malformed Contact") from error
    if request.dropped:
        raise RefusedError(400, "Malformed Contact")
    return contacts


def _check_star(request: Request, claim: Claim, current: tuple[StoredBinding, ...]) -> None:
    # RFC 3261 10.3 step 6: only with an Expires of zero; that it stands alone was checked by the parser.
    if request.expires != 0:
        raise RefusedError(400, "Invalid Use Of Contact *")
    for binding in current:
        claim.check(binding)
