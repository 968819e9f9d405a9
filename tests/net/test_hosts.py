"""The hosts file: its grammar, and when it is read."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from aiosipreg.net import hosts as module
from aiosipreg.net.hosts import HostsFile

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """\
# local names

127.0.0.1\tlocalhost
::1 localhost ip6-localhost
192.0.2.7 PBX pbx.test.  # the exchange
192.0.2.8 pbx pbx
192.0.2.9 # nobody
fe80::1%eth0 scoped
nonsense x.test
\xe4 y.test
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "hosts"
    path.write_bytes(TEXT.encode("latin-1"))
    return path


@pytest.mark.parametrize(
    ("name", "addresses"),
    [
        ("localhost", ["127.0.0.1", "::1"]),
        ("ip6-localhost", ["::1"]),
        ("pbx", ["192.0.2.7", "192.0.2.8"]),
        ("pbx.test", ["192.0.2.7"]),
        ("scoped", []),
        ("x.test", []),
        ("y.test", []),
        ("nobody", []),
        ("#", []),
    ],
)
async def test_DNS_23_names_and_their_addresses(path: Path, name: str, addresses: list[str]) -> None:
    assert await HostsFile(str(path)).addresses(name) == addresses


def rewrite(path: Path, text: str) -> None:
    path.unlink()
    if text:
        path.write_text(text)
        os.utime(path, ns=(1, 1))


async def test_it_is_read_once_and_again_when_it_changes(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reads = []
    read = module._read

    def count(name: str) -> dict[str, list[str]]:
        reads.append(name)
        return read(name)

    monkeypatch.setattr(module, "_read", count)
    hosts = HostsFile(str(path))
    await hosts.addresses("pbx")
    await hosts.addresses("pbx.test")
    assert len(reads) == 1
    rewrite(path, "192.0.2.99 pbx\n")
    assert await hosts.addresses("pbx") == ["192.0.2.99"]
    rewrite(path, "")
    assert await hosts.addresses("pbx") == []


async def test_a_file_that_cannot_be_read_names_nobody(tmp_path: Path) -> None:
    assert await HostsFile(str(tmp_path)).addresses("pbx") == []
    assert await HostsFile(str(tmp_path / "missing")).addresses("pbx") == []
