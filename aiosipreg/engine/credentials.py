"""Which credentials are good for which realm: the account's own before those that a core has for all its accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiosipreg.auth import AuthInfo
    from aiosipreg.params import ProxyParams

__all__ = ["find_auth_info", "own_credentials", "shared_credentials"]


def own_credentials(params: ProxyParams, realm: str, *, foreign: bool) -> AuthInfo | None:
    """What an account's settings have for a realm, ``None`` if others are to be asked.

    Args:
        params: The settings.
        realm: Realm of the challenge.
        foreign: A redirect led outside the registrar's domain: nobody gets there what was not named for its realm
            (RDR-6, SEC-7).
    """
    if not isinstance(params.auth, tuple):
        return None
    infos = _named(params.auth) if foreign or params.realm not in (None, realm) else params.auth
    # They were given to the account, so they need not name its user.
    return find_auth_info(infos, username=None, domain=params.sender.host, realm=realm)


def shared_credentials(
    params: ProxyParams, shared: tuple[AuthInfo, ...], realm: str, *, foreign: bool
) -> AuthInfo | None:
    """What is there for a realm of an account that has nothing itself.

    Args:
        params: The account's settings.
        shared: What all accounts may use.
        realm: Realm of the challenge.
        foreign: As for `own_credentials`.
    """
    infos = _named(shared) if foreign or params.realm not in (None, realm) else shared
    who = params.sender
    return find_auth_info(infos, username=who.user, domain=who.host, realm=realm)


def find_auth_info(infos: Iterable[AuthInfo], *, username: str | None, domain: str, realm: str) -> AuthInfo | None:
    """The entry that fits best: one that names the realm before one that names the domain before a catch-all.

    Args:
        infos: The entries in the order in which they were added; among equals the newest wins.
        username: User part of the address-of-record; ``None`` when the entries belong to the account itself.
        domain: Host of the address-of-record.
        realm: Realm of the challenge.
    """
    best: tuple[int, AuthInfo] | None = None
    for info in infos:
        if username is not None and info.username != username:
            continue
        if info.realm not in (None, realm) or (info.domain is not None and info.domain.lower() != domain.lower()):
            continue
        if not info.has_secret:
            continue  # It is a certificate, for TLS.
        rank = 2 * (info.realm is not None) + (info.domain is not None)
        if best is None or rank >= best[0]:
            best = (rank, info)
    return best[1] if best is not None else None


def _named(infos: tuple[AuthInfo, ...]) -> tuple[AuthInfo, ...]:
    return tuple(info for info in infos if info.realm is not None)
