"""aiosipreg/draft.py: settings changed together, or not at all."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from aiosipreg import AuthInfo, ConfigError, Draft, ProxyParams

PARAMS = ProxyParams("sip:toto@sip.titi.com", expires=600)


class Settings:
    """Where drafts begin and end."""

    def __init__(self) -> None:
        self.params = PARAMS
        self.commits = 0

    def edit(self) -> Draft:
        return Draft(lambda: self.params, self.commit)

    def commit(self, params: ProxyParams) -> None:
        self.commits += 1
        self.params = params


@pytest.fixture
def settings() -> Settings:
    return Settings()


def test_it_shows_what_there_is_and_then_what_was_set(settings: Settings) -> None:
    draft = settings.edit()
    assert (draft.expires, draft.identity) == (600, "sip:toto@sip.titi.com")
    draft.expires = 300
    assert draft.expires == 300
    assert settings.params is PARAMS


def test_done_commits_everything_at_once(settings: Settings) -> None:
    draft = settings.edit()
    draft.expires = 300
    draft.realm = "titi.com"
    draft.done()
    assert settings.params == PARAMS.replace(expires=300, realm="titi.com")
    assert settings.commits == 1


@pytest.mark.parametrize("name", ["expire", "aor", "registrar", "state", "done_", "_x"])
def test_an_unknown_setting_is_an_error_at_once(settings: Settings, name: str) -> None:
    draft = settings.edit()
    with pytest.raises(AttributeError, match=f"'{name}'; settings are identity, server"):
        setattr(draft, name, 1)
    with pytest.raises(AttributeError, match="there is no setting"):
        getattr(draft, name)


def test_leaving_the_block_is_done(settings: Settings) -> None:
    with settings.edit() as draft:
        draft.expires = 300
        assert settings.commits == 0
    assert settings.params.expires == 300


def test_an_exception_in_the_block_discards(settings: Settings) -> None:
    draft = settings.edit()

    def failing() -> None:
        with draft:
            draft.expires = 300
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        failing()
    assert settings.params is PARAMS
    with pytest.raises(RuntimeError, match="done or discarded"):
        draft.expires = 60


def test_it_may_be_ended_within_the_block(settings: Settings) -> None:
    with settings.edit() as draft:
        draft.expires = 300
        draft.discard()
    with settings.edit() as draft:
        draft.expires = 200
        draft.done()
    assert (settings.params.expires, settings.commits) == (200, 1)


@pytest.mark.parametrize("end", ["done", "discard"])
def test_it_ends_once(settings: Settings, end: str) -> None:
    draft = settings.edit()
    getattr(draft, end)()
    with pytest.raises(RuntimeError, match="done or discarded"):
        draft.done()
    with pytest.raises(RuntimeError, match="done or discarded"):
        _ = draft.expires
    draft.discard()


def test_two_drafts_do_not_undo_each_other(settings: Settings) -> None:
    one, other = settings.edit(), settings.edit()
    one.expires = 300
    other.realm = "titi.com"
    one.done()
    other.done()
    assert (settings.params.expires, settings.params.realm) == (300, "titi.com")


def test_a_value_that_cannot_work_leaves_the_draft_open(settings: Settings) -> None:
    draft = settings.edit()
    draft.expires = -1
    with pytest.raises(ConfigError, match="expires=-1"):
        draft.done()
    with pytest.raises(ConfigError, match="expires=-1"), draft:
        pass
    assert settings.params is PARAMS
    draft.expires = 60
    draft.done()
    assert settings.params.expires == 60


def test_SEC_9_it_shows_names_and_no_values(settings: Settings) -> None:
    draft = settings.edit()
    assert repr(draft) == "<Draft: no changes>"
    draft.auth = AuthInfo("toto", password="planted-secret")
    draft.headers = (("X-Token", "planted-secret"),)
    assert repr(draft) == "<Draft: auth, headers>"
    draft.discard()
    assert repr(draft) == "<Draft: closed>"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_it_cannot_be_duplicated_by_accident(settings: Settings, duplicate: Any) -> None:
    with pytest.raises((TypeError, AttributeError)):
        duplicate(settings.edit())
