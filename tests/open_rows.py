"""Rows of the requirements that no test names yet, each with the reason: what it waits for."""

from __future__ import annotations

from typing import Final

__all__ = ["OPEN_ROWS"]

_WAITING: Final = {
    "Compact header names would save octets, and a request that is too large goes by TCP instead.": "MSG-8",
    "The realm of a challenge is not compared with the names of a certificate yet.": "SEC-6",
    "Warnings 380 and 381, and what sips means for From and To, come with the next look at sips.": (
        "SIPS-2 SIPS-3 SIPS-4"
    ),
    "Keep-alives are for flows that live on, and come with outbound flows.": (
        "KA-1 KA-2 KA-3 KA-4 KA-5 KA-6 KA-7 KA-8 KA-9 KA-10 KA-11 KA-12 KA-13 SEC-29"
    ),
    "An account has one flow so far; several come with outbound flows.": (
        "OUTB-4 OUTB-5 OUTB-6 OUTB-7 OUTB-8 OUTB-9 OUTB-10 OUTB-11 OUTB-13 OUTB-16 OUTB-19 OUTB-20 F-55 F-56"
    ),
    "GRUUs are read and not used yet; the rest comes with outbound flows.": (
        "GRUU-1 GRUU-2 GRUU-3 GRUU-4 GRUU-5 GRUU-6 GRUU-7 GRUU-8 GRUU-9"
    ),
    "What a 2xx says besides is shown to applications with outbound flows.": "RTE-2 RTE-5 RTE-6 RTE-7 RTE-8",
    "Capabilities beyond plain parameters of the Contact come with outbound flows.": "CAP-3 CAP-4 CAP-5",
    "Overload control (RFC 7339) is an extension of its own and comes as one.": (
        "OVL-1 OVL-2 OVL-3 OVL-4 OVL-5 OVL-6 SEC-31"
    ),
    "Nobody reads the document that a NOTIFY carries yet; that comes with the reg event package.": "SEC-22",
    "Tokens instead of passwords come with bearer tokens.": "SEC-8",
    "Keys of SIM cards come with AKA.": "SEC-10",
    "Data of subscribers and the security agreement come with the IMS profile.": "SEC-33 SEC-40",
    "Parameters of push notification are plain parameters so far; the rest comes with push.": "SEC-34",
}

OPEN_ROWS: Final = {row: reason for reason, rows in _WAITING.items() for row in rows.split()}
