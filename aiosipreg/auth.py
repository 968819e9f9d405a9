"""Credentials and how they are asked for (floor 0)."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from aiosipreg.errors import ConfigError

if TYPE_CHECKING:
    from aiosipreg.proxy import ProxyConfig

__all__ = ["AuthChallenge", "AuthInfo", "AuthProvider"]

# Besides control characters what UTF-8 cannot carry; octets of unknown encoding, as surrogates, it can.
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udc7f\udd00-\udfff]")
_TEXT = "text that is not empty, without control characters or line breaks"


@dataclass(frozen=True, slots=True)
class AuthInfo:
    """One user's secret and where it may be used.

    A server may ask for a certificate of ours over TLS instead of a password, or before. It does so without naming a
    realm, and only what is known when the connection is opened can answer: an auth provider is asked too late.

    Attributes:
        username: The SIP user this belongs to.
        userid: The digest user name when it differs from ``username``; may contain ``@`` (AUTH-26).
        password: The clear password; never shown.
        ha1: Stored H(user:realm:password) instead of the password; needs ``realm``; never shown (AUTH-33).
        algorithm: The algorithm that ``ha1`` was made with (``MD5`` when absent); beside a password, the only
            algorithm it may answer.
        realm: The realm it answers; ``None`` answers any realm of the account's own servers (SEC-5).
        domain: The SIP domain of the accounts it serves; ``None`` serves any.
        client_cert: Certificate to show over TLS to the servers of the accounts it serves, with the chain behind it:
            path of a PEM file, or PEM text. Where the `TlsParams` of an account have one, that is shown instead; never
            shown elsewhere.
        client_key: Its private key, likewise; ``None`` when it stands beside the certificate. Never shown.
        key_password: What the key is encrypted with. Never shown.

    Raises:
        ConfigError: Both of ``password`` and ``ha1``, or nothing at all; a ``ha1`` without ``realm``; a key without
            certificate; a text that is empty or has control characters (SEC-11); a name with a colon (AUTH-32).
    """

    username: str
    _: KW_ONLY
    userid: str | None = None
    password: str | None = field(default=None, repr=False)
    ha1: str | None = field(default=None, repr=False)
    algorithm: str | None = None
    realm: str | None = None
    domain: str | None = None
    client_cert: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    key_password: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not _is_text(self.username):
            raise ConfigError("username", self.username, _TEXT)
        if not self.userid is self.algorithm is self.realm is self.domain is None:
            self._check_names()
        if self.password and not _is_text(self.password):
            raise ConfigError("password", "(hidden)", "text without control characters or line breaks")
        if ":" in self.digest_username:
            raise ConfigError("userid", self.digest_username, "a name without a colon, which digest cannot carry")
        self._check_secrets()
        if not self.client_cert is self.client_key is self.key_password is None:
            self._check_certificate()

    def _check_names(self) -> None:
        for name in ("userid", "algorithm", "realm", "domain"):
            value = getattr(self, name)
            if value is not None and not _is_text(value):
                raise ConfigError(name, value, _TEXT)

    def _check_secrets(self) -> None:
        if self.password is not None and self.ha1 is not None:
            raise ConfigError("password", "(hidden)", "one of password and ha1, not both")
        if not self.has_secret and self.client_cert is None:
            raise ConfigError("password", None, "a password, a ha1 or a client_cert")
        if self.ha1 is not None:
            digits = 32 if (self.algorithm or "MD5").upper().startswith("MD5") else 64
            if self.realm is None or not re.fullmatch(rf"[0-9a-fA-F]{{{digits}}}", self.ha1):
                raise ConfigError("ha1", "(hidden)", f"{digits} hex digits, together with the realm they were made for")

    def _check_certificate(self) -> None:
        for name in ("client_cert", "client_key", "key_password"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, str) or not value.strip()):
                raise ConfigError(name, "(hidden)", "text that is not empty")
        if self.client_cert is None and (self.client_key is not None or self.key_password is not None):
            raise ConfigError("client_cert", None, "a certificate, because there is a key")

    @property
    def has_secret(self) -> bool:
        """Whether it can answer challenges, and not only show a certificate."""
        return self.password is not None or self.ha1 is not None

    @property
    def digest_username(self) -> str:
        """The name that goes into the digest."""
        return self.userid if self.userid is not None else self.username


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != "" and (value.isprintable() or not _UNFIT.search(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthChallenge:
    """What an auth provider is told when a server asks for credentials.

    Attributes:
        proxy_config: The account.
        username: User part of its address-of-record, or of who registers in its stead.
        realm: Realm of the challenge: the text to look the secret up by.
        domain: Host of that address.
        scheme: ``Digest``.
        algorithms: What the server offers for this realm, in its order.
        attempt: 1 for the first question in a row; 2 and more when the previous answer was refused.
        secure: Whether the request travels encrypted.
        stale: Whether the server said that only the nonce was old.
        server: Where the challenge came from (``udp:192.0.2.1:5060``).
    """

    proxy_config: ProxyConfig
    username: str
    realm: str
    domain: str
    scheme: str = "Digest"
    algorithms: tuple[str, ...] = ()
    attempt: int = 1
    secure: bool = False
    stale: bool = False
    server: str = ""


AuthProvider: TypeAlias = Callable[[AuthChallenge], Awaitable[AuthInfo | None]]
"""An ``async`` callable that answers a challenge, or ``None`` when it has nothing to say."""
