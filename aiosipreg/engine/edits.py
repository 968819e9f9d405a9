"""What a changed setting means on the wire: the table of liblinphone's edit() and done(), with our corrections."""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from aiosipreg.params import SETTABLE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiosipreg.params import ProxyParams

__all__ = ["EDITS", "Edit", "compare", "plan"]


class Edit(enum.Enum):
    """What a commit causes, the weakest first."""

    NOTHING = 0
    """Nothing is sent; the setting holds from the next request on."""
    REFRESH = 1
    """A REGISTER with the new content, under the same Call-ID (F-15)."""
    MOVE = 2
    """The old binding is removed where it is, then the account registers anew with a new Call-ID (REG-38)."""
    START = 3
    """The account begins to register."""
    STOP = 4
    """The binding is removed."""


EDITS: Final[Mapping[str, Edit]] = MappingProxyType({
    "identity": Edit.MOVE,
    "server": Edit.MOVE,
    "backup_servers": Edit.NOTHING,
    "routes": Edit.MOVE,
    "outbound_proxies": Edit.MOVE,
    "outbound": Edit.MOVE,
    "loose_routing": Edit.MOVE,
    "registered_by": Edit.MOVE,
    "auth": Edit.MOVE,
    "id": Edit.NOTHING,
    "register": Edit.STOP,
    "expires": Edit.REFRESH,
    "lifetime_in": Edit.REFRESH,
    "contact_params": Edit.REFRESH,
    "contact_uri_params": Edit.REFRESH,
    "extra_contacts": Edit.REFRESH,
    "headers": Edit.REFRESH,
    "supported": Edit.REFRESH,
    "instance_id": Edit.REFRESH,
    "nat": Edit.REFRESH,
    "realm": Edit.NOTHING,
    "depends_on": Edit.NOTHING,
    "unregister_at_stop": Edit.NOTHING,
    "ref_key": Edit.NOTHING,
    "strict_binding": Edit.NOTHING,
    "refresh_window": Edit.NOTHING,
    "retry_403": Edit.NOTHING,
    "redirect": Edit.NOTHING,
    "redirect_hosts": Edit.NOTHING,
    "path_hosts": Edit.NOTHING,
    "tls": Edit.REFRESH,
    "udp_only": Edit.NOTHING,
    "compact": Edit.NOTHING,
})  # fmt: skip
"""What each field causes when it differs; ``register`` starts instead of stopping when it turns on."""


def plan(old: ProxyParams, new: ProxyParams) -> Edit:
    """What going from ``old`` to ``new`` causes: the strongest of what each changed field does."""
    if old.register != new.register:
        return Edit.START if new.register else Edit.STOP
    return compare(old, new) if new.register else Edit.NOTHING


def compare(old: ProxyParams, new: ProxyParams) -> Edit:
    """What the differences cause while the account is registered, whether its settings ask for that or not."""
    changed = [name for name in SETTABLE if name != "register" and _differs(name, old, new)]
    return max((EDITS[name] for name in changed), key=lambda edit: edit.value, default=Edit.NOTHING)


def _differs(name: str, old: ProxyParams, new: ProxyParams) -> bool:
    # Another spelling of the same address is no change (pjproject issue 1669: changing nothing must send nothing).
    if name == "identity":
        return old.aor != new.aor
    if name == "server":
        return old.registrar != new.registrar
    return bool(getattr(old, name) != getattr(new, name))
