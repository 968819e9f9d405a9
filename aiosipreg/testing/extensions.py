"""The extensions that the test registrar takes part in when it is asked to: outbound, GRUU, Path.

RFC 5626 6, RFC 5627 5, RFC 3327 5.3.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiosipreg.testing.bindings import StoredBinding
    from aiosipreg.testing.claim import Claim
    from aiosipreg.wire import NameAddr, Request

__all__ = ["asks_for_outbound", "echoed_path", "instance_of", "reg_id_of", "with_gruus"]

_AS_THEY_ARE = "[]/:&+$-_.!~*'()"
"""What needs no escape in a URI parameter (RFC 3261 25.1)."""


def instance_of(contact: NameAddr) -> str | None:
    """The instance-id of a contact without brackets, ``None`` if it has none."""
    return (contact.params.get("+sip.instance") or "").removeprefix("<").removesuffix(">") or None


def reg_id_of(contact: NameAddr) -> int | None:
    """The reg-id of a contact; one without an instance-id counts for nothing (RFC 5626 6)."""
    text = contact.params.get("reg-id") or ""
    usable = instance_of(contact) is not None and text.isascii() and text.isdigit() and len(text) <= 10
    return int(text) if usable else None


def asks_for_outbound(request: Request) -> bool:
    """Whether a REGISTER wants its binding to be bound to its flow."""
    return "outbound" in request.supported and any(reg_id_of(contact) is not None for contact in request.contacts)


def echoed_path(request: Request) -> list[tuple[str, str]]:
    """The Path rows that an answer repeats from its request, if the client understands them."""
    return [("Path", row) for row in request.headers.get_all("Path")] if "path" in request.supported else []


def with_gruus(
    bindings: tuple[StoredBinding, ...], claim: Claim, random_text: Callable[[], str]
) -> tuple[StoredBinding, ...]:
    """Give the bindings that a REGISTER just set their GRUUs: the public one as ever, a temporary one that is new.

    Args:
        bindings: All bindings of the address-of-record.
        claim: What the REGISTER speaks for.
        random_text: Where temporary GRUUs come from.
    """
    scheme, _, address = claim.aor.partition(":")
    if scheme not in ("sip", "sips"):
        return bindings
    host = address.rpartition("@")[2]
    return tuple(
        dataclasses.replace(
            binding,
            pub_gruu=f"{claim.aor};gr={quote(binding.instance_id, safe=_AS_THEY_ARE)}",
            temp_gruu=f"{scheme}:tgruu.{random_text()}@{host};gr",
        )
        if binding.instance_id and (binding.call_id, binding.cseq) == (claim.call_id, claim.cseq)
        else binding
        for binding in bindings
    )
