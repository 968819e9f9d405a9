"""Whom requests may be for."""

from __future__ import annotations

from aiosipreg.users import Users


def test_SEC_28_a_user_is_there_while_an_account_has_it() -> None:
    users = Users(lambda: ())
    assert "toto" not in users
    users.add("toto")
    users.add("toto")
    users.add(None)
    assert "toto" in users
    assert "titi" not in users
    users.remove("toto")
    assert "toto" in users
    users.remove("toto")
    users.remove(None)
    assert "toto" not in users
    assert not users._counted


def test_SEC_28_those_from_before_the_first_request_count_too() -> None:
    there: list[str | None] = ["toto", None, "titi"]
    users = Users(lambda: there)
    for user in there:
        users.add(user)
    there.remove("titi")
    users.remove("titi")
    assert "toto" in users
    assert "titi" not in users
    users.remove("toto")
    assert "toto" not in users
