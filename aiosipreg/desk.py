"""What an account tells its runner, and is told by it (floor 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from aiosipreg.credentials import client_tls, inquire, known_credentials
from aiosipreg.engine.change import Changed

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from aiosipreg.auth import AuthChallenge, AuthInfo
    from aiosipreg.engine.effects import Answer, Ask, Concluded, Connect
    from aiosipreg.engine.registration import Registration
    from aiosipreg.params import ProxyParams
    from aiosipreg.ports import Owner
    from aiosipreg.settings import TlsParams

__all__ = ["Desk"]


class Principal(Protocol):
    """Whom a desk stands for."""

    def report(self, machine: Registration, changed: Changed, now: float) -> None:
        """A machine changed."""

    def challenge(self, params: ProxyParams, ask: Ask) -> AuthChallenge:
        """A question for the auth provider, in words."""
        ...


class Desk:
    """Stands between the runners of an account and the account that the application sees.

    Args:
        owner: The core.
        machine: Knows the settings in force: while a binding is removed those under which it was made (REG-38).
        principal: Takes each change of the machine, and words a question for the auth provider.
    """

    __slots__ = ("_machine", "_owner", "_principal")

    def __init__(self, owner: Owner, machine: Registration, principal: Principal) -> None:
        self._owner = owner
        self._machine = machine
        self._principal = principal

    @property
    def identity(self) -> str:
        """The account in log lines."""
        return str(self._settings.aor)

    def tls(self, connect: Connect) -> TlsParams:
        """Whom the account trusts on the way to a target, and how it proves who it is."""
        settings, owner = self._machine.session.params, self._owner
        if not connect.target.transport.secure:
            return settings.tls or owner._tls
        return client_tls(settings, owner._keyring, owner._tls, foreign=connect.foreign)

    def report(self, report: Changed | Concluded, now: float) -> None:
        """Pass a change on; only queries conclude, and they have an account of their own."""
        assert isinstance(report, Changed)  # noqa: S101
        self._principal.report(self._machine, report, now)

    def known(self, ask: Ask) -> AuthInfo | None:
        """Credentials that are at hand; none while a provider of the account's own is to be asked before them."""
        return None if callable(self._settings.auth) and not ask.foreign else self._listed(ask)

    def inquiry(self, ask: Ask) -> Coroutine[None, None, Answer] | None:
        """The question to the auth provider, not yet asked; ``None`` when nobody is to be asked."""
        own = self._settings.auth
        provider = own if callable(own) else self._owner._keyring.provider
        if provider is None or ask.foreign:
            return None
        challenge = self._principal.challenge(self._settings, ask)
        return inquire(provider, challenge, ask.token, self._owner._auth_timeout, otherwise=self._listed(ask))

    @property
    def _settings(self) -> ProxyParams:
        return self._machine.session.params

    def _listed(self, ask: Ask) -> AuthInfo | None:
        return known_credentials(self._settings, self._owner._keyring.infos, ask)
