"""Answering a challenge, beside the three hashes that an answer is made of."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import TYPE_CHECKING

from aiosipreg.engine.digest import DigestSession, answer, offers
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.wire import Challenge
from benchmarks.measure import Figure, compare, looped
from benchmarks.null_registrar import REALM
from benchmarks.samples import CNONCE, NONCE, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable

    from benchmarks.measure import Effort

__all__ = ["bare_response", "measured"]

_HASHES = {"MD5": "md5", "SHA-256": "sha256", "SHA-512-256": "sha512_256"}
_POLICY = DigestPolicy()
_URI = "sip:sip.titi.com"


def measured(effort: Effort) -> list[Figure]:
    rows: list[Figure] = []
    for algorithm, name in _HASHES.items():
        if name in hashlib.algorithms_available:
            rows += _measured(algorithm, name, effort)
        else:
            rows.append(Figure("digest", algorithm, note="not in this Python's OpenSSL"))
    return rows


def _measured(algorithm: str, name: str, effort: Effort) -> list[Figure]:
    challenge = Challenge.parse(f'Digest realm="{REALM}", nonce="{NONCE}", algorithm={algorithm}, qop="auth"')
    session = _session(challenge)
    limit = f"three bare hashes, {algorithm}"
    pieces: dict[str, Callable[[], object]] = {
        limit: partial(bare_response, name),
        f"Authorization on a new nonce, {algorithm}": lambda: _session(challenge).authorization(
            "REGISTER", _URI, 1, CNONCE
        ),
        f"Authorization on a kept nonce, {algorithm}": partial(session.authorization, "REGISTER", _URI, 2, CNONCE),
    }
    works = {title: looped(piece, effort.loops) for title, piece in pieces.items()}
    return compare("digest", works, effort.runs, limits={title: limit for title in pieces if title != limit})


def _session(challenge: Challenge) -> DigestSession:
    return answer(offers((challenge,), _POLICY)[0], SECRET)


def bare_response(name: str) -> str:
    """The response of the sample account by three calls of hashlib."""
    # The functions of their own are faster than `new`, where there are some.
    make = getattr(hashlib, name, None) or partial(hashlib.new, name)
    ha1 = make(b"toto:sip.titi.com:secret").hexdigest()
    ha2 = make(b"REGISTER:sip:sip.titi.com").hexdigest()
    response: str = make(f"{ha1}:{NONCE}:00000001:{CNONCE}:auth:{ha2}".encode()).hexdigest()
    return response
