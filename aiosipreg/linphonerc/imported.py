"""Entries of the file to accounts, credentials and settings (floor 3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.engine.timers import RetryPolicy
from aiosipreg.errors import ConfigError
from aiosipreg.linphonerc import values as read
from aiosipreg.linphonerc.file import Entry, File, read_file
from aiosipreg.params import ProxyParams
from aiosipreg.settings import TransportParams
from aiosipreg.wire import SipUri

if TYPE_CHECKING:
    from os import PathLike

__all__ = ["Imported", "load", "parse"]

_Setting: TypeAlias = tuple[str, Callable[[str], object]]
"""Name of a field, and how its value is read."""
_Table: TypeAlias = Mapping[tuple[str, str], _Setting]
"""Section and key to the setting that they give."""

_ACCOUNT: Mapping[str, _Setting] = {
    "reg_identity": ("identity", read.identity),
    "reg_proxy": ("server", read.address),
    "reg_route": ("routes", read.addresses),
    "reg_expires": ("expires", read.number),
    "reg_sendregister": ("register", read.flag),
    "realm": ("realm", str),
    "contact_parameters": ("contact_params", read.header_params),
    "contact_uri_parameters": ("contact_uri_params", read.uri_params),
    "custom_contact": ("extra_contacts", read.one),
    "unregister_at_stop": ("unregister_at_stop", read.flag),
    "supported": ("supported", read.items),
    "refkey": ("ref_key", str),
    "idkey": ("id", str),
}
# What liblinphone is told once, and this package for each account.
_ALL_ACCOUNTS: _Table = {
    ("sip", "supported"): ("supported", read.items),
    ("sip", "refresh_window"): ("refresh_window", read.window),
    ("misc", "uuid"): ("instance_id", read.instance_id),
    ("net", "enable_nat_helper"): ("nat", read.nat_mode),
}
_TRANSPORTS: _Table = {
    ("sip", "sip_port"): ("udp", read.udp_port),
    ("sip", "bind_address"): ("bind", read.items),
    ("sip", "dscp"): ("dscp", read.number),
}
_DIGEST: _Table = {
    ("digest_authentication_policy", "allow_md5"): ("minimum_algorithm", read.minimum_algorithm),
    ("digest_authentication_policy", "allow_no_qop"): ("allow_no_qop", read.flag),
}
_RETRY: _Table = {("sip", "refresher_retry_after"): ("base", read.retry_base)}
_CREDENTIALS = {
    "username": "username",
    "userid": "userid",
    "passwd": "password",
    "ha1": "ha1",
    "algorithm": "algorithm",
    "realm": "realm",
    "domain": "domain",
    "client_cert_chain": "client_cert",
    "client_cert_key": "client_key",
    "client_cert_key_password": "key_password",
}
# What is always done here; of interest to those alone who had switched it off.
_WITHOUT_SWITCH = {
    ("net", "dns_srv_enabled"): "SRV records are always looked up, unless reg_proxy has a port or is an IP address",
    ("sip", "use_rport"): "rport is always asked for",
    ("sip", "use_ipv6"): "IPv6 addresses of a server are always used",
    ("sip", "register_only_when_network_is_up"): (
        "nothing is ever sent while core.network_reachable is False; it is True unless the application changes it"
    ),
}
_BUILT_TRANSPORTS = ("udp", "tcp", "tls", "ws", "wss")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a file says, in terms of this package.

    Attributes:
        accounts: The accounts, each for ``core.add_proxy_config``.
        auth_infos: The credentials, for ``Core(auth=...)``; as in liblinphone they serve every account that they fit.
        default: Index of the default account in ``accounts``; ``None`` if the file names none.
        user_agent: For ``Core(user_agent=...)``; ``None`` if the file names none.
        transports: For ``Core(transports=...)``.
        digest: For ``Core(digest=...)``.
        retry: For ``Core(retry=...)``.
        unknown: What has no equivalent, section by section in the order of the file. It is only kept.
        problems: Sentences about what could not be taken as it stands. No secret is in them.
    """

    accounts: tuple[ProxyParams, ...]
    auth_infos: tuple[AuthInfo, ...]
    default: int | None
    user_agent: str | None
    transports: TransportParams
    digest: DigestPolicy
    retry: RetryPolicy
    unknown: tuple[Entry, ...]
    problems: tuple[str, ...]


def load(path: str | PathLike[str]) -> Imported:
    """Read a file, such as ``~/.linphonerc`` or ``~/.config/linphone/linphonerc`` with the home directory spelt out.

    Octets that are no UTF-8 stay what they are, so that a password in another encoding still works.

    Raises:
        OSError: The file cannot be read.
    """
    return parse(Path(path).read_bytes().decode("utf-8", "surrogateescape"))


def parse(text: str) -> Imported:
    """Read the text of a file. Whatever the text is, nothing is raised."""
    file = read_file(text)
    accounts, default = _accounts(file)
    auth_infos = [_auth_info(file, section) for section in file.numbered("auth_info")]
    for (section, key), sentence in _WITHOUT_SWITCH.items():
        if file.value(section, key, read.flag) is False:
            file.problem(section, key, sentence)
    return Imported(
        accounts=accounts,
        auth_infos=tuple(info for info in auth_infos if info is not None),
        default=default,
        user_agent=file.value("sip", "user_agent", read.printable),
        transports=TransportParams(**_settings(file, TransportParams, _TRANSPORTS)),
        digest=DigestPolicy(**_settings(file, DigestPolicy, _DIGEST)),
        retry=RetryPolicy(**_settings(file, RetryPolicy, _RETRY)),
        unknown=file.unknown(),
        problems=tuple(file.problems),
    )


def _settings(
    file: File, make: Callable[..., object], table: _Table, outcome: str = "the setting is left out"
) -> dict[str, Any]:
    """Those values of a table that ``make`` takes; what it does not take is a problem."""
    values: dict[str, Any] = {}
    places: dict[str, tuple[str, str]] = {}

    def refused(place: tuple[str, str], error: ConfigError) -> None:
        file.problem(*place, f"expected {error.expected}; {outcome}")

    for place, (name, value_of) in table.items():
        try:
            if (text := file.text(*place)) is not None:
                values[name], places[name] = value_of(text), place
        except ConfigError as error:
            refused(place, error)
    try:
        make(**values)
    except ConfigError:
        # Not by the field that the error names: there may be several that are wrong.
        for name, place in places.items():
            try:
                make(**{name: values[name]})
            except ConfigError as error:
                refused(place, error)
                del values[name]
    return values


def _probe(**changes: Any) -> ProxyParams:
    return ProxyParams(**{"identity": "sip:a@b", **changes})


def _accounts(file: File) -> tuple[tuple[ProxyParams, ...], int | None]:
    """The accounts that can be built, and which of them is the default."""
    shared = _settings(file, _probe, _ALL_ACCOUNTS)
    accounts: dict[str, ProxyParams] = {}
    masters: dict[str, str | None] = {}
    ids: set[str | None] = set()
    for section in file.numbered("proxy"):
        masters[section] = file.text(section, "depends_on")
        params = _account(file, section, shared, ids)
        if params is not None:
            accounts[section] = params
            ids.add(params.id)
    for section, params in accounts.items():
        master = masters[section]
        if master is not None and master in ids - {params.id}:
            accounts[section] = params.replace(depends_on=master)
        elif master is not None:
            file.problem(section, "depends_on", "names no other account that was imported; this one depends on none")
    number = file.value("sip", "default_proxy", read.number)
    section = f"proxy_{number}"
    if section not in accounts and number not in (None, -1):
        file.problem("sip", "default_proxy", "names no account that was imported")
    return tuple(accounts.values()), list(accounts).index(section) if section in accounts else None


def _account(file: File, section: str, shared: Mapping[str, Any], ids: set[str | None]) -> ProxyParams | None:
    outcome = "the account is left out"
    before = len(file.problems)
    table = {(section, key): setting for key, setting in _ACCOUNT.items()}
    values = {**shared, **_settings(file, _probe, table, outcome)}
    for key in ("reg_identity", "reg_proxy"):
        if file.text(section, key) is None:
            file.problem(section, key, f"is missing; {outcome}")
    if len(file.problems) > before:
        return None
    _choose_id(file, section, values, ids)
    try:
        params = ProxyParams(**values)
    except ConfigError as error:
        # Each value was good by itself, so it is the pair of a sips identity and a sip server.
        file.problem(section, "reg_proxy", f"expected {error.expected}; {outcome}")
        return None
    _check_transport(file, section, params)
    return params


def _choose_id(file: File, section: str, values: dict[str, Any], ids: set[str | None]) -> None:
    """The id is the idkey or, as in liblinphone, the refkey; a core takes an id once."""
    if "id" not in values and values.get("ref_key") not in ids:
        values["id"] = values.get("ref_key")
    elif values.get("id") in ids and "id" in values:
        file.problem(section, "idkey", "another account has the same; this one gets a random id")
        del values["id"]


def _check_transport(file: File, section: str, params: ProxyParams) -> None:
    key, hop = ("reg_route", SipUri.parse(params.routes[0])) if params.routes else ("reg_proxy", params.registrar)
    transport = "tls" if hop.secure else (hop.params.get("transport") or "udp").lower()
    if transport not in _BUILT_TRANSPORTS:
        file.problem(section, key, f"asks for {transport.upper()}, which is not built yet; it cannot register")


def _auth_info(file: File, section: str) -> AuthInfo | None:
    values: dict[str, Any] = {name: file.text(section, key) for key, name in _CREDENTIALS.items()}
    values["password"] = file.verbatim(section, "passwd")
    if values["password"] is not None and values["ha1"] is not None:
        file.problem(section, "ha1", "is left out, because passwd is there and answers for every algorithm")
        values["ha1"] = None
    try:
        if values["algorithm"] is not None and DigestPolicy().algorithm(values["algorithm"]) is None:
            raise ConfigError("algorithm", values["algorithm"], "MD5, SHA-256 or SHA-512-256")
        return AuthInfo(**values)
    except ConfigError as error:
        key = next(key for key, name in _CREDENTIALS.items() if name == error.field)
        file.problem(section, key, f"expected {error.expected}; these credentials are left out")
        return None
