"""Reading the two answers of a registration, beside a bare ``bytes.split`` of the same octets."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from aiosipreg.wire import Response, parse_message
from aiosipreg.wire.message import read_contacts
from benchmarks.measure import compare, looped
from benchmarks.samples import CONTACT, GRANTED, UNAUTHORIZED

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Effort, Figure

__all__ = ["measured"]


def measured(effort: Effort) -> list[Figure]:
    return [
        *_measured("401", UNAUTHORIZED, _read_challenge, effort),
        *_measured("200", GRANTED, _read_grant, effort),
    ]


def _measured(title: str, data: bytes, read: Callable[[bytes], object], effort: Effort) -> list[Figure]:
    limit = f"bytes.split of a {title}, {len(data)} octets"
    pieces: dict[str, Callable[[bytes], object]] = {
        limit: lambda data: data.split(b"\r\n"),
        f"each row of it at its colon, {title}": _split,
        f"start line, Via, CSeq, {title}": _match,
        f"every field that a registration reads, {title}": read,
    }
    works = {name: looped(partial(piece, data), effort.loops) for name, piece in pieces.items()}
    return compare("parse", works, effort.runs, limits={name: limit for name in pieces if name != limit})


def _split(data: bytes) -> object:
    return [row.partition(b":") for row in data.split(b"\r\n")]


def _match(data: bytes) -> object:
    message = parse_message(data)
    return message.via, message.cseq


def _read(data: bytes) -> Response:
    response = parse_message(data)
    assert isinstance(response, Response)
    # What has to come back as it was sent is compared as it was written, unless somebody has written it anew.
    row = response.headers.names.get
    _ = response.status, response.via, response.cseq, row("Call-ID"), row("CSeq"), row("From"), row("To"), row("Via")
    return response


def _read_challenge(data: bytes) -> object:
    challenge = _read(data).challenges[0]
    return challenge.realm, challenge.nonce, challenge.algorithm, challenge.qop, challenge.opaque, challenge.stale


def _read_grant(data: bytes) -> object:
    response = _read(data)
    via = response.via
    assert via is not None
    _ = via.received, via.rport, response.authentication_info
    contacts = read_contacts(response, CONTACT.uri)
    return response.expires, contacts, response.service_route, response.path, response.associated_uris
