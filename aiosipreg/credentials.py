"""Where an account's credentials come from: its own, the core's, and the auth provider (floor 3)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Protocol

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.authenticator import find_auth_info
from aiosipreg.engine.effects import Answered, NotAnswered

if TYPE_CHECKING:
    from aiosipreg.auth import AuthChallenge, AuthProvider
    from aiosipreg.engine.effects import Answer, Ask
    from aiosipreg.params import ProxyParams

__all__ = ["CredentialStore", "inquire", "known_credentials"]

logger = logging.getLogger("aiosipreg.auth")


class CredentialStore(Protocol):
    """What a core has for all its accounts."""

    @property
    def auth_infos(self) -> tuple[AuthInfo, ...]:
        """Credentials, the newest last."""

    @property
    def auth_provider(self) -> AuthProvider | None:
        """Who is asked when none of them fits."""

    @property
    def auth_timeout(self) -> float:
        """Seconds that a provider may take."""


def known_credentials(params: ProxyParams, store: CredentialStore, ask: Ask) -> AuthInfo | None:
    """Credentials that are at hand for a realm: the account's own before those of the core."""
    own = params.auth if isinstance(params.auth, tuple) else ()
    shared = store.auth_infos
    if ask.foreign:
        own, shared = (tuple(info for info in infos if info.realm is not None) for infos in (own, shared))
    aor = params.aor
    # The account's own entries were given to it, so they need not name its user.
    return find_auth_info(own, username=None, domain=aor.host, realm=ask.realm) or find_auth_info(
        shared, username=aor.user, domain=aor.host, realm=ask.realm
    )


async def inquire(provider: AuthProvider, challenge: AuthChallenge, token: int, timeout: float) -> Answer:
    """Ask the provider; whatever it does becomes an answer.

    Args:
        provider: Who is asked.
        challenge: What it is told.
        token: The token of the machine's question.
        timeout: Seconds it may take.
    """
    try:
        async with asyncio.timeout(timeout):
            info = await provider(challenge)
    except TimeoutError:
        return NotAnswered(token, f"no answer within {timeout:g} s")
    except Exception as error:
        logger.exception("%s: the auth provider raised", challenge.proxy_config.identity)
        return NotAnswered(token, f"it raised {type(error).__name__}")
    if info is not None and not isinstance(info, AuthInfo):
        return NotAnswered(token, f"it returned {type(info).__name__}, not AuthInfo")
    return Answered(token, info)
