"""Rows of the requirements that no test names yet, and those of which a part is open, each with what it waits for."""

from __future__ import annotations

from typing import Final

__all__ = ["OPEN_PARTS", "OPEN_ROWS"]

_WAITING: Final = {
    "Only a registration that also subscribes to its state has to know GRUUs in it; reg-event is not built.": "GRUU-9",
    "Overload control (RFC 7339) is an extension of its own and comes as one.": (
        "OVL-1 OVL-2 OVL-3 OVL-4 OVL-5 OVL-6 SEC-31"
    ),
    "Nobody reads the document that a NOTIFY carries yet; that comes with the reg event package.": "SEC-22",
    "Tokens instead of passwords come with bearer tokens.": "SEC-8",
    "Keys of SIM cards come with AKA.": "SEC-10",
    "Data of subscribers and the security agreement come with the IMS profile.": "SEC-33 SEC-40",
    "Parameters of push notification are plain parameters so far; the rest comes with push.": "SEC-34",
}

OPEN_PARTS: Final = {
    "OUTB-20": (
        "Nothing but REGISTER is sent here, so no request reuses the flow yet, and none gets a 430 that would count as "
        "400: the SUBSCRIBE of the reg event package will be the first. Applications get the Contact with `ob` and the "
        "Route for what they send themselves; tests show these."
    ),
}

OPEN_ROWS: Final = {row: reason for reason, rows in _WAITING.items() for row in rows.split()}
