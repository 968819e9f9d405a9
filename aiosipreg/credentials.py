"""Where an account's credentials come from: its own, the core's, and the auth provider (floor 3)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.effects import Answered, NotAnswered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiosipreg.auth import AuthChallenge, AuthProvider
    from aiosipreg.engine.authenticator import Authenticator
    from aiosipreg.engine.effects import Answer, Flow
    from aiosipreg.params import ProxyParams
    from aiosipreg.settings import TlsParams

__all__ = ["Keyring", "caution", "client_tls", "inquire", "shown_certificate"]

logger = logging.getLogger("aiosipreg.auth")


class Keyring:
    """The credentials that a core has for all its accounts.

    Args:
        source: Entries, or whom to ask.

    Attributes:
        infos: The entries, the newest last.
        certified: Those of them that have a certificate, which is looked for with every connection.
        provider: Whom to ask, ``None`` for nobody.
    """

    def __init__(self, source: tuple[AuthInfo, ...] | AuthProvider) -> None:
        self.provider = None if isinstance(source, tuple) else source
        self._have(source if isinstance(source, tuple) else ())

    def add(self, info: AuthInfo) -> Callable[[ProxyParams], bool]:
        """Take an entry; it replaces one for the same, which a certificate alone and a password are not.

        Returns:
            Tells whether an account shows another certificate because of that.
        """
        before = self.certified
        self._have((*(old for old in self.infos if _key(old) != _key(info)), info))
        after = self.certified
        if before == after:
            return lambda _: False
        return lambda params: shown_certificate(params, before) != shown_certificate(params, after)

    def remove(self, info: AuthInfo) -> bool:
        """Take an entry away; return whether it was there."""
        there = info in self.infos
        self._have(tuple(old for old in self.infos if old != info))
        return there

    def clear(self) -> None:
        """Take all entries away."""
        self._have(())

    def _have(self, infos: tuple[AuthInfo, ...]) -> None:
        self.infos = infos
        self.certified = tuple(info for info in infos if info.client_cert is not None)


def _key(info: AuthInfo) -> tuple[object, ...]:
    return info.username, info.realm, info.domain, info.has_secret


def client_tls(params: ProxyParams, shared: Keyring, otherwise: TlsParams, *, foreign: bool) -> TlsParams:
    """Whom an account trusts, and which certificate it shows (TLS-9).

    A certificate in the account's own `TlsParams` wins, then come credentials, then what the core has for all. A
    context of the application's decides by itself.

    Args:
        params: The account.
        shared: The core's credentials.
        otherwise: The core's `TlsParams`.
        foreign: A redirect led outside the registrar's domain: nothing of ours is shown there (SEC-7).
    """
    tls = params.tls or otherwise
    if tls.context is not None:
        return tls
    if foreign:
        return tls if tls.client_cert is None else _showing(tls, None)
    if params.tls is not None and params.tls.client_cert is not None:
        return tls
    info = shown_certificate(params, shared.certified)
    return tls if info is None else _showing(tls, info)


def shown_certificate(params: ProxyParams, shared: tuple[AuthInfo, ...]) -> AuthInfo | None:
    """The credentials whose certificate an account shows: its own before those of the core, as with passwords.

    Args:
        params: The account.
        shared: Those of the core that have a certificate.
    """
    own = params.auth if isinstance(params.auth, tuple) else ()
    who, realm = params.sender, params.realm
    if not shared and not own:
        return None
    return _certificate(own, username=None, domain=who.host, realm=realm) or _certificate(
        shared, username=who.user, domain=who.host, realm=realm
    )


def _certificate(infos: Iterable[AuthInfo], *, username: str | None, domain: str, realm: str | None) -> AuthInfo | None:
    """The entry with a certificate that fits best, see `engine.credentials`.

    TLS comes before any challenge: an entry that names a realm fits where the account names the same, or none.
    """
    best: tuple[int, AuthInfo] | None = None
    for info in infos:
        if info.client_cert is None or (username is not None and info.username != username):
            continue
        if info.domain is not None and info.domain.lower() != domain.lower():
            continue
        if realm is not None and info.realm not in (None, realm):
            continue
        rank = 2 * (realm is not None and info.realm is not None) + (info.domain is not None)
        if best is None or rank >= best[0]:
            best = (rank, info)
    return best[1] if best is not None else None


def _showing(tls: TlsParams, info: AuthInfo | None) -> TlsParams:
    names = ("client_cert", "client_key", "key_password")
    return tls.replace(**{name: None if info is None else getattr(info, name) for name in names})


def caution(params: ProxyParams, authenticator: Authenticator, flow: Flow | None) -> bool:
    """Warn where a password can be guessed from what travels by (SEC-4); return whether that was the case.

    Args:
        params: The account.
        authenticator: Knows the digest algorithm in use.
        flow: Where the registration went.
    """
    if flow is None or flow.target.transport.secure or _is_loopback(flow.target.host):
        return False  # Nobody listens there.
    algorithm = authenticator.algorithm
    if algorithm is None or not algorithm.startswith("MD5"):
        return False
    logger.warning(
        "%s: whoever sees the traffic to %s can try passwords against its MD5 digests; use TLS or SHA-256",
        params.aor,
        flow.target,
    )
    return True


@lru_cache(256)
def _is_loopback(host: str) -> bool:
    return ipaddress.ip_address(host).is_loopback


async def inquire(
    provider: AuthProvider, challenge: AuthChallenge, token: int, timeout: float, *, otherwise: AuthInfo | None = None
) -> Answer:
    """Ask the provider; whatever it does becomes an answer.

    Args:
        provider: Who is asked.
        challenge: What it is told.
        token: The token of the machine's question.
        timeout: Seconds it may take.
        otherwise: The answer if it has none.
    """
    limit = asyncio.timeout(timeout)
    try:
        async with limit:
            info = await provider(challenge)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        # The provider awaited something that was cancelled; nobody cancelled this question.
        return NotAnswered(token, "it was cancelled")
    except Exception as error:
        if limit.expired():
            return NotAnswered(token, f"no answer within {timeout:g} s")
        logger.exception("%s: the auth provider raised", challenge.proxy_config.identity)
        return NotAnswered(token, f"it raised {type(error).__name__}")
    if info is not None and not isinstance(info, AuthInfo):
        return NotAnswered(token, f"it returned {type(info).__name__}, not AuthInfo")
    return Answered(token, otherwise if info is None else info)
