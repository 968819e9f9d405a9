"""`aiosipreg.engine.policy`."""

from __future__ import annotations

import pickle

import pytest

from aiosipreg import ConfigError
from aiosipreg.engine.algorithms import ALGORITHMS, TRUNCATED, Qop
from aiosipreg.engine.policy import DigestPolicy


@pytest.mark.parametrize("minimum", ["", "SHA-1", "MD5-sess"])
def test_SEC_3_minimum_must_be_a_known_hash(minimum: str) -> None:
    with pytest.raises(ConfigError, match="minimum_algorithm"):
        DigestPolicy(minimum_algorithm=minimum)


@pytest.mark.parametrize(
    ("minimum", "refused"),
    [("MD5", set()), ("sha-256", {"MD5"}), ("SHA-512-256", {"MD5", "SHA-256"})],
)
def test_SEC_3_weaker_algorithms_are_none(minimum: str, refused: set[str]) -> None:
    policy = DigestPolicy(minimum_algorithm=minimum)
    for key, algorithm in ALGORITHMS.items():
        assert policy.algorithm(key.upper()) is (None if algorithm.family in refused else algorithm)


def test_AUTH_7_no_algorithm_means_md5_and_an_unknown_one_none() -> None:
    assert DigestPolicy().algorithm(None) is ALGORITHMS["md5"]
    assert DigestPolicy().algorithm("SHA3-256") is None


def test_a_registrar_that_copied_the_printed_example() -> None:
    wrong = DigestPolicy(sha512_truncated=True)
    assert wrong.algorithm("SHA-512-256") is TRUNCATED["sha-512-256"]
    assert wrong.algorithm("MD5") is ALGORITHMS["md5"]


@pytest.mark.parametrize(
    ("offered", "usual", "integrity"),
    [
        (("auth",), Qop.AUTH, Qop.AUTH),
        (("auth-int",), Qop.AUTH_INT, Qop.AUTH_INT),
        (("auth", "auth-int"), Qop.AUTH, Qop.AUTH_INT),
        (("foo",), None, None),
        ((), Qop.NONE, Qop.NONE),
    ],
)
def test_AUTH_12_qop_of_an_offer(offered: tuple[str, ...], usual: Qop | None, integrity: Qop | None) -> None:
    assert DigestPolicy().qop(offered) is usual
    assert DigestPolicy(prefer_auth_int=True).qop(offered) is integrity


def test_12_1_3_challenges_without_qop_can_be_left() -> None:
    assert DigestPolicy(allow_no_qop=False).qop(()) is None


def test_policies_are_values() -> None:
    policy = DigestPolicy(minimum_algorithm="SHA-256")
    assert pickle.loads(pickle.dumps(policy)) == policy
