"""aiosipreg/testing/__init__.py: names that load when they are used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import aiosipreg.testing


@pytest.mark.parametrize("name", aiosipreg.testing.__all__)
def test_every_public_name_loads(name: str) -> None:
    assert getattr(aiosipreg.testing, name) is not None
    delattr(aiosipreg.testing, name)
    assert getattr(aiosipreg.testing, name) is vars(aiosipreg.testing)[name]


def test_other_names_do_not_exist() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        aiosipreg.testing.Nothing  # type: ignore[attr-defined]  # noqa: B018


def test_names_are_listed_before_they_are_loaded() -> None:
    code = "import aiosipreg.testing as t; assert set(t.__all__) <= set(dir(t)); assert 'Registrar' not in vars(t)"
    subprocess.run([sys.executable, "-c", code], check=True)
