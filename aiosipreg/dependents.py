"""Accounts that register only while another one is registered, at its Contact: liblinphone's dependency (floor 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiosipreg.states import RegistrationState

if TYPE_CHECKING:
    from aiosipreg.engine.effects import Effect
    from aiosipreg.engine.registration import Registration
    from aiosipreg.proxy import ProxyConfig
    from aiosipreg.wire import NameAddr

__all__ = ["Dependents"]

_OVER = (RegistrationState.FAILED, RegistrationState.CLEARED, RegistrationState.NONE)


class Dependents:
    """Who follows whom.

    Attributes:
        followers: Those of each account that has some, by its id.
    """

    def __init__(self) -> None:
        self.followers: dict[str, dict[ProxyConfig, None]] = {}

    def add(self, proxy: ProxyConfig, master: ProxyConfig | None) -> bool:
        """Take an account; return whether it may register now.

        Args:
            proxy: The account.
            master: The one that it depends on, ``None`` while that is not there.
        """
        name = proxy.params.depends_on
        if name is None or master is proxy:
            return True  # One that names itself would wait for ever.
        self.followers.setdefault(name, {})[proxy] = None
        if master is None or master.contact is None:
            return False
        proxy._enter(lambda machine, _: _share(machine, master.contact))
        return True

    def leave(self, proxy: ProxyConfig) -> None:
        """The account is going to be removed: whatever the other one does, it does not follow any more."""
        self.followers.get(proxy.params.depends_on or "", {}).pop(proxy, None)

    def remove(self, proxy: ProxyConfig) -> tuple[ProxyConfig, ...]:
        """Forget an account; return those that depended on it, which are independent from now on."""
        self.leave(proxy)
        return tuple(self.followers.pop(proxy.id, ()))

    def free(self, orphan: ProxyConfig) -> None:
        """Let an account register by itself, because the one that it depended on was removed."""
        if orphan.params.register:
            orphan._enter(lambda machine, now: [*_share(machine, None), *machine.register(now)])

    def follow(self, master: ProxyConfig) -> None:
        """The state of an account changed: those that depend on it do what it did."""
        for proxy in tuple(self.followers.get(master.id, ())):
            # One that has failed keeps to its own back-off, or to its refusal: each refresh of the other one would
            # be another knock at the door.
            failing = proxy.state in (RegistrationState.FAILED, RegistrationState.REFRESHING)
            if master.state is RegistrationState.OK and proxy.params.register and not failing:
                proxy._enter(lambda machine, now: [*_share(machine, master.contact), *machine.register(now)])
            elif master.state in _OVER:
                proxy._enter(lambda machine, now: machine.unregister(now))


def _share(machine: Registration, contact: NameAddr | None) -> list[Effect]:
    machine.session.shared = contact
    return []
