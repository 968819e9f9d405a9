"""Whom the registrar lets in, and what it answers to the others (RFC 3261 22)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from aiosipreg.testing.claim import RefusedError
from aiosipreg.testing.replies import phrase
from aiosipreg.testing.verify import DigestGuard, Outcome, Verdict

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping, Sequence

    from aiosipreg.wire import Request

__all__ = ["Gate"]


class Gate:
    """Digest authentication as the answers of a registrar; judging changes nothing, ``accept`` uses a nonce up."""

    def __init__(
        self,
        users: Mapping[str, str] | None,
        realm: str,
        algorithms: Sequence[str],
        qop: Sequence[str],
        nonce_lifetime: float | None,
        one_time_nonce: bool,
        next_nonce: bool,
        challenge: Literal[401, 407],
        wrong_password: Literal[401, 403],
        chance: random.Random,
    ) -> None:
        """See ``ScriptedRegistrar`` for the arguments.

        Raises:
            ConfigError: An algorithm or qop that does not exist.
        """
        self._guard = None
        if users is not None:
            self._guard = DigestGuard(
                users,
                realm=realm,
                algorithms=algorithms,
                qop=qop,
                nonce_lifetime=nonce_lifetime,
                one_time_nonce=one_time_nonce,
                chance=chance,
            )
        self._next_nonce = next_nonce
        self._challenge = challenge
        self._forbids = wrong_password == 403

    def check(self, request: Request, now: float) -> Verdict | None:
        """Let a request in.

        Args:
            request: The request.
            now: The time in seconds.

        Returns:
            What its credentials are worth; ``None`` if none are needed.

        Raises:
            RefusedError: 401 or 407 with challenges, 403, or 400 for credentials against the rules.
        """
        if self._guard is None:
            return None
        rows = request.headers.get_all(self._name("Authorization"))
        verdict = self._guard.check(rows, request.method, request.uri, request.body, now)
        if verdict.outcome is Outcome.GOOD:
            return verdict
        if verdict.outcome is Outcome.MALFORMED:
            raise RefusedError(400, f"Bad Credentials: {verdict.text}")
        if verdict.outcome is Outcome.WRONG and self._forbids:
            raise RefusedError(403, phrase(403))
        name = self._name("Authenticate")
        challenges = self._guard.challenges(now, stale=verdict.outcome is Outcome.STALE)
        raise RefusedError(self._challenge, phrase(self._challenge), tuple((name, row) for row in challenges))

    def success_rows(self, verdict: Verdict | None, now: float) -> list[tuple[str, str]]:
        """The header rows that a success gets."""
        if self._guard is None or verdict is None or not self._next_nonce:
            return []
        return [(self._name("Authentication-Info"), self._guard.info(verdict, now))]

    def accept(self, verdict: Verdict | None) -> None:
        """Count a nonce as used, once the request that carried it is answered."""
        if self._guard is not None and verdict is not None:
            self._guard.accept(verdict)

    def forget(self) -> None:
        """Know no nonce any more, as a server that was restarted."""
        if self._guard is not None:
            self._guard.forget()

    def _name(self, header: str) -> str:
        if self._challenge == 407:
            return f"Proxy-{header}"
        return f"WWW-{header}" if header == "Authenticate" else header
