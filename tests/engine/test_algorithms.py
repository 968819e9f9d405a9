"""The hash functions behind the names: known answers, and the way without OpenSSL's help."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from aiosipreg.engine.algorithms import ALGORITHMS, TRUNCATED, Algorithm

EMPTY = {
    "MD5": "d41d8cd98f00b204e9800998ecf8427e",
    "SHA-256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "SHA-512-256": "c672b8d1ef56ed28ab87c3622c5114069bdd3ad7b8f9737498d0c01ecef0967a",
}


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=lambda algorithm: algorithm.name)
def test_AUTH_8_digests_are_lower_case_hex_of_the_right_length(algorithm: Algorithm) -> None:
    digest = algorithm.hash(b"")
    assert digest == EMPTY[algorithm.family]
    assert len(digest) == algorithm.hex_digits
    assert algorithm.session is algorithm.name.endswith("-sess")


def test_AUTH_7_the_six_algorithms_by_lower_case_name() -> None:
    assert {name: algorithm.name for name, algorithm in ALGORITHMS.items()} == {
        "md5": "MD5",
        "md5-sess": "MD5-sess",
        "sha-256": "SHA-256",
        "sha-256-sess": "SHA-256-sess",
        "sha-512-256": "SHA-512-256",
        "sha-512-256-sess": "SHA-512-256-sess",
    }


def test_strength_grows_with_the_hash_and_ignores_sess() -> None:
    strength = [ALGORITHMS[name].strength for name in ("md5", "sha-256", "sha-512-256")]
    assert strength == sorted(set(strength))
    assert all(ALGORITHMS[f"{name}-sess"].strength == ALGORITHMS[name].strength for name in ("md5", "sha-256"))


def test_sha_512_256_without_openssl_support(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def unsupported(name: str, *_: Any, **__: Any) -> Any:
        asked.append(name)
        raise ValueError(f"unsupported hash type {name}")

    monkeypatch.setattr(hashlib, "new", unsupported)
    assert ALGORITHMS["sha-512-256"].hash(b"") == EMPTY["SHA-512-256"]
    assert asked == ["sha512_256"]


def test_12_1_8_truncated_form_is_another_hash() -> None:
    assert set(TRUNCATED) == {"sha-512-256", "sha-512-256-sess"}
    assert TRUNCATED["sha-512-256"].hash(b"") == hashlib.sha512(b"").hexdigest()[:64]
    assert TRUNCATED["sha-512-256-sess"].session
