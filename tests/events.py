"""Events made by hand, for tests of what is done with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from aiosipreg import ProxyConfig, RegistrationEvent, RegistrationState


@dataclass(eq=False)
class Account:
    """Stands for a `ProxyConfig` where only its identity counts."""

    identity: str = "sip:toto@sip.titi.com"


def event(
    state: RegistrationState = RegistrationState.OK, *, account: Account | None = None, **fields: Any
) -> RegistrationEvent:
    """An event of ``account``, of some account without."""
    account = account or Account()
    told: dict[str, Any] = {"old": RegistrationState.NONE, "server": "sip:sip.titi.com", **fields}
    return RegistrationEvent(proxy_config=cast("ProxyConfig", account), identity=account.identity, state=state, **told)
