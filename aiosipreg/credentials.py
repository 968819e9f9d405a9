"""Where an account's credentials come from: its own, the core's, and the auth provider (floor 3)."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from functools import lru_cache
from typing import TYPE_CHECKING

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.authenticator import find_auth_info
from aiosipreg.engine.effects import Answered, NotAnswered

if TYPE_CHECKING:
    from aiosipreg.auth import AuthChallenge, AuthProvider
    from aiosipreg.engine.effects import Answer, Ask, Flow
    from aiosipreg.params import ProxyParams

__all__ = ["caution", "inquire", "known_credentials"]

logger = logging.getLogger("aiosipreg.auth")


def known_credentials(params: ProxyParams, shared: tuple[AuthInfo, ...], ask: Ask) -> AuthInfo | None:
    """Credentials that are at hand for a realm: the account's own before those that the core has for all."""
    own = params.auth if isinstance(params.auth, tuple) else ()
    if ask.foreign or params.realm not in (None, ask.realm):
        own, shared = (tuple(info for info in infos if info.realm is not None) for infos in (own, shared))
    who = params.sender
    # The account's own entries were given to it, so they need not name its user.
    return find_auth_info(own, username=None, domain=who.host, realm=ask.realm) or find_auth_info(
        shared, username=who.user, domain=who.host, realm=ask.realm
    )


def caution(identity: str, algorithm: str | None, flow: Flow | None) -> bool:
    """Warn where a password can be guessed from what travels by (SEC-4); return whether that was the case.

    Args:
        identity: The account.
        algorithm: The digest algorithm in use, ``None`` without a challenge.
        flow: Where the registration went.
    """
    if algorithm is None or flow is None or not algorithm.startswith("MD5") or flow.target.transport.secure:
        return False
    if _is_loopback(flow.target.host):
        return False  # Nobody listens there.
    logger.warning(
        "%s: whoever sees the traffic to %s can try passwords against its MD5 digests; use TLS or SHA-256",
        identity,
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
