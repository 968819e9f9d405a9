"""What a registrar holds for an address-of-record (RFC 3261 section 10.2.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from aiosipreg.wire import NameAddr

__all__ = ["Binding", "instance_of", "reg_id_of"]


@dataclass(frozen=True, slots=True)
class Binding:
    """One Contact that a registrar holds for an address-of-record.

    Attributes:
        contact: The Contact as the registrar wrote it.
        expires: Granted lifetime in seconds.
        expires_at: End of the lifetime in ``loop.time()``, counted from when the request was sent (REG-17).
    """

    contact: NameAddr
    expires: float
    expires_at: float

    @property
    def q(self) -> float | None:
        """Preference among several contacts, 0 to 1."""
        return self.contact.q

    @property
    def instance_id(self) -> str | None:
        """``+sip.instance`` without quotes and brackets."""
        return instance_of(self.contact) or None

    @property
    def reg_id(self) -> int | None:
        """``reg-id``."""
        return reg_id_of(self.contact)

    @property
    def pub_gruu(self) -> str | None:
        """Public GRUU, if the registrar gave one."""
        return self.contact.params.get("pub-gruu")

    @property
    def temp_gruu(self) -> str | None:
        """Temporary GRUU, if the registrar gave one."""
        return self.contact.params.get("temp-gruu")

    @property
    def params(self) -> Mapping[str, str | None]:
        """All parameters of the Contact."""
        return self.contact.params


def instance_of(entry: NameAddr) -> str:
    """``+sip.instance`` of a Contact without quotes and brackets, empty if it has none."""
    return (entry.params.get("+sip.instance") or "").removeprefix("<").removesuffix(">")


def reg_id_of(entry: NameAddr) -> int | None:
    """``reg-id`` of a Contact."""
    # RFC 5626 10: ten digits at most; thousands of them would be more than int() takes.
    text = entry.params.get("reg-id") or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else None
