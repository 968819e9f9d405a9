"""What an application allows of digest authentication (RFC 7616, RFC 8760)."""

from __future__ import annotations

from dataclasses import dataclass

from aiosipreg.engine.algorithms import ALGORITHMS, TRUNCATED, Algorithm, Qop
from aiosipreg.errors import ConfigError

__all__ = ["DigestPolicy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestPolicy:
    """Which challenges may be answered, and how.

    Attributes:
        minimum_algorithm: ``MD5``, ``SHA-256`` or ``SHA-512-256``: anything weaker is left unanswered (SEC-3). With
            ``SHA-256`` this is liblinphone's ``allow_md5=False``.
        strongest_first: Answer the strongest algorithm of a realm (RFC 7616 5.8) instead of the topmost (RFC 8760 2.4).
        prefer_auth_int: Take ``auth-int`` when the server offers ``auth`` too.
        allow_no_qop: Answer challenges without qop, in the old form that such servers expect (RFC 2617 3.2.2).
        refuse_downgrade: Leave a challenge unanswered that is weaker than what the realm accepted before: another
            algorithm, no qop, ``auth`` after ``auth-int`` (SEC-1); else it is answered, and events say so.
        refuse_realm_mismatch: Leave a challenge unanswered that came over verified TLS for a realm which has nothing to
            do with the names in the certificate (SEC-6), unless the credentials or the account name that realm; else it
            is answered, and events say so.
        require_server_proof: Fail when the proof that a server sends of knowing the secret (``rspauth``) is wrong
            (AUTH-30); else events say so. A server that sends none passes.
        userhash: Hide the user name from servers that offer ``userhash=true`` (RFC 7616 3.4.4).
        sha512_truncated: Take SHA-512 cut to 256 bits for SHA-512-256, as the example printed in RFC 7616 3.9.2 does by
            mistake, for a registrar that copied it.

    Raises:
        ConfigError: ``minimum_algorithm`` is none of the three names.
    """

    minimum_algorithm: str = "MD5"
    strongest_first: bool = False
    prefer_auth_int: bool = False
    allow_no_qop: bool = True
    refuse_downgrade: bool = False
    refuse_realm_mismatch: bool = False
    require_server_proof: bool = False
    userhash: bool = True
    sha512_truncated: bool = False

    def __post_init__(self) -> None:
        algorithm = ALGORITHMS.get(self.minimum_algorithm.lower())
        if algorithm is None or algorithm.session:
            raise ConfigError("minimum_algorithm", self.minimum_algorithm, "MD5, SHA-256 or SHA-512-256")

    def algorithm(self, name: str | None) -> Algorithm | None:
        """The algorithm that a challenge names, if it is known and strong enough (AUTH-7).

        Args:
            name: As received; ``None`` means MD5.
        """
        key = "md5" if name is None else name.lower()
        algorithm = ALGORITHMS.get(key)
        if algorithm is None or algorithm.strength < ALGORITHMS[self.minimum_algorithm.lower()].strength:
            return None
        return TRUNCATED.get(key, algorithm) if self.sha512_truncated else algorithm

    def qop(self, offered: tuple[str, ...]) -> Qop | None:
        """The qop to answer with, ``None`` if there is none that we know and may use (AUTH-12, AUTH-13).

        Args:
            offered: The list of the challenge in lower case, unknown values included; empty when it has no qop.
        """
        if not offered:
            return Qop.NONE if self.allow_no_qop else None
        integrity = "auth-int" in offered
        if "auth" in offered:
            return Qop.AUTH_INT if integrity and self.prefer_auth_int else Qop.AUTH
        return Qop.AUTH_INT if integrity else None
