"""docs/moving: what the pages for people who come from elsewhere promise is there, by name."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

import aiosipreg
from aiosipreg import linphonerc, wire

PAGES = sorted((Path(__file__).resolve().parent.parent / "docs" / "moving").glob("from-*.md"))
ROW = re.compile(r"^\|.*\|(?P<ours>[^|]*)\|$", re.MULTILINE)
CODE = re.compile(r"`([^`]+)`")
NAME = re.compile(r"(?:await |with |async with )?(\w+)(?:\.(\w+)|\((\w+)=)")
OWNERS = {
    **{name: getattr(aiosipreg, name) for name in aiosipreg.__all__},
    **{name: getattr(wire, name) for name in wire.__all__},
    "core": aiosipreg.Core,
    "proxy": aiosipreg.ProxyConfig,
    "event": aiosipreg.RegistrationEvent,
    "challenge": aiosipreg.AuthChallenge,
    "Imported": linphonerc.Imported,
    "linphonerc": linphonerc,
}
MODULES = {"aiosipreg.wire", "aiosipreg.linphonerc"}


def promised(text: str) -> list[str]:
    return [code for row in ROW.finditer(text) for code in CODE.findall(row["ours"])]


def broken(code: str) -> bool:
    found = NAME.match(code)
    if found is None or code in MODULES:
        return False
    owner = OWNERS.get(found[1])
    if owner is None:
        return True
    if found[3]:
        return found[3] not in inspect.signature(owner).parameters
    return not hasattr(owner, found[2])


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_every_name_on_the_right_is_there(page: Path) -> None:
    names = promised(page.read_text(encoding="utf-8"))
    assert len(names) > 50
    assert [code for code in names if broken(code)] == []


def test_a_name_that_is_not_there_is_found() -> None:
    text = "| `x.y` | `core.pause()`, `Core(ssl=...)`, `proxies.z`, `Core(dns=...)`, `await proxy.refresh()` |"
    assert [code for code in promised(text) if broken(code)] == ["core.pause()", "Core(ssl=...)", "proxies.z"]
