"""``aiosipreg import-linphonerc``: what a configuration file of liblinphone becomes here. No secret is printed."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from aiosipreg import DigestPolicy, RetryPolicy, TransportParams, linphonerc
from aiosipreg.cli.exits import CommandFailed
from aiosipreg.cli.text import make_console, printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import Console

    from aiosipreg import AuthInfo, ProxyParams
    from aiosipreg.linphonerc import Imported

__all__ = ["import_file", "print_imported"]


def import_file(path: str) -> Imported:
    """Read a file.

    Raises:
        CommandFailed: It cannot be read.
    """
    try:
        return linphonerc.load(path)
    except OSError as error:
        raise CommandFailed(f"the file cannot be read: {error.strerror}") from None


def print_imported(imported: Imported, *, as_json: bool) -> None:
    """Write on standard output what would be registered, what has no equivalent here, and what is wrong.

    Args:
        imported: What the file says.
        as_json: As one JSON object, and nothing else.
    """
    console = make_console()
    if as_json:
        console.file.write(json.dumps(_described(imported)) + "\n")
        return
    accounts = [
        ("default" if number == imported.default else "", str(account.aor), str(account.registrar), *_details(account))
        for number, account in enumerate(imported.accounts)
    ]
    _print_table(console, "accounts", ("", "identity", "registrar", "lifetime", "besides"), accounts)
    infos = [(info.username, _secret(info), info.realm or "any", info.domain or "any") for info in imported.auth_infos]
    _print_table(console, "credentials", ("user", "secret", "realm", "domain"), infos)
    _print_table(console, "settings of the core", ("setting", "value"), _changed(imported))
    unknown: dict[str, list[str]] = {}
    for entry in imported.unknown:
        unknown.setdefault(entry.section, []).append(entry.key)
    rows = [(f"[{section}]", ", ".join(keys)) for section, keys in unknown.items()]
    _print_table(console, "no equivalent here", ("section", "keys"), rows)
    _print_table(console, "problems", ("",), [(problem,) for problem in imported.problems])


def _details(account: ProxyParams) -> tuple[str, str]:
    besides = {
        "not registering": not account.register,
        f"through {' '.join(account.routes)}": account.routes,
        f"when {account.depends_on} is registered": account.depends_on,
    }
    return f"{account.expires} s", ", ".join(words for words, said in besides.items() if said)


def _secret(info: AuthInfo) -> str:
    kind = _kind(info)
    words = f"HA1 ({info.algorithm or 'MD5'})" if kind == "ha1" else kind
    return f"{words}, certificate" if info.has_secret and info.client_cert else words


def _kind(info: AuthInfo) -> str:
    return "ha1" if info.ha1 is not None else "password" if info.has_secret else "certificate"


def _changed(imported: Imported) -> list[tuple[str, str]]:
    """The settings that differ from our defaults."""
    rows = [] if imported.user_agent is None else [("user_agent", imported.user_agent)]
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("transports", imported.transports, TransportParams()),
        ("digest", imported.digest, DigestPolicy()),
        ("retry", imported.retry, RetryPolicy()),
    )
    for name, ours, default in pairs:
        for field in fields(ours):
            value = getattr(ours, field.name)
            if value != getattr(default, field.name):
                rows.append((f"{name}.{field.name}", " ".join(value) if isinstance(value, tuple) else str(value)))
    return rows


def _print_table(console: Console, title: str, header: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> None:
    lines = [tuple(printable(cell) for cell in row) for row in rows]
    console.print(f"{title}: {len(lines) or 'none'}", style="bold")
    if not lines:
        return
    table = [header, *lines] if any(header) else lines
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(f"  {'  '.join(cells)}".rstrip())


def _described(imported: Imported) -> dict[str, Any]:
    """What is printed as JSON. Values of parameters and of unknown entries stay out: they may be secrets."""
    return {
        "accounts": [
            {
                "identity": str(account.aor),
                "server": str(account.registrar),
                "routes": account.routes,
                "register": account.register,
                "expires": account.expires,
                "realm": account.realm,
                "contact_params": list(account.contact_params),
                "contact_uri_params": list(account.contact_uri_params),
                "supported": account.supported,
                "instance_id": account.instance_id,
                "nat": account.nat.value,
                "depends_on": account.depends_on,
                "unregister_at_stop": account.unregister_at_stop,
                "ref_key": account.ref_key,
                "id": account.id,
                "refresh_window": account.refresh_window,
            }
            for account in imported.accounts
        ],
        "default": imported.default,
        "auth_infos": [
            {
                "username": info.username,
                "userid": info.userid,
                "secret": _kind(info),
                "certificate": info.client_cert is not None,
                "algorithm": info.algorithm,
                "realm": info.realm,
                "domain": info.domain,
            }
            for info in imported.auth_infos
        ],
        "user_agent": imported.user_agent,
        "transports": asdict(imported.transports),
        "digest": asdict(imported.digest),
        "retry": asdict(imported.retry),
        "unknown": [{"section": entry.section, "key": entry.key} for entry in imported.unknown],
        "problems": imported.problems,
    }
