"""An edit session: what is set together is committed together, or not at all."""

from __future__ import annotations

import copy

import pytest

from aiosipreg.draft import Draft
from aiosipreg.errors import ConfigError
from aiosipreg.params import SETTABLE, ProxyParams

TOTO = ProxyParams("sip:toto@example.org", expires=600, contact_params={"q": "0.5"})


class Account:
    """What a draft needs of an account."""

    def __init__(self) -> None:
        self.params = TOTO
        self.commits: list[ProxyParams] = []
        self.refuses: Exception | None = None

    def commit(self, params: ProxyParams) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.params = params
        self.commits.append(params)

    def edit(self) -> Draft:
        return Draft(lambda: self.params, self.commit)


@pytest.fixture
def account() -> Account:
    return Account()


def test_nothing_happens_before_done(account: Account) -> None:
    draft = account.edit()
    draft.expires = 300
    draft.register = False
    assert account.commits == []
    draft.done()
    assert account.commits == [TOTO.replace(expires=300, register=False)]


def test_done_without_changes_commits_the_same_settings(account: Account) -> None:
    account.edit().done()
    assert account.commits == [TOTO]


@pytest.mark.parametrize("name", SETTABLE)
def test_every_setting_can_be_read(account: Account, name: str) -> None:
    assert getattr(account.edit(), name) == getattr(TOTO, name)


def test_what_was_set_is_read_back(account: Account) -> None:
    draft = account.edit()
    draft.expires = 300
    assert (draft.expires, draft.identity) == (300, TOTO.identity)
    draft.headers += (("X-A", "1"),)
    draft.done()
    assert account.params.headers == (("X-A", "1"),)


@pytest.mark.parametrize("name", ["lifetime", "aor", "registrar", "passwd", "state", "__wrapped__", "_secret"])
def test_what_is_no_setting_is_an_error(account: Account, name: str) -> None:
    draft = account.edit()
    with pytest.raises(AttributeError, match=f"^there is no setting '{name}'; settings are identity, server, "):
        setattr(draft, name, 5)
    with pytest.raises(AttributeError, match=f"^there is no setting '{name}'"):
        getattr(draft, name)
    draft.done()
    assert account.commits == [TOTO]


def test_methods_cannot_be_overwritten(account: Account) -> None:
    draft = account.edit()
    with pytest.raises(AttributeError):
        draft.done = print  # type: ignore[method-assign]


def test_settings_that_are_mutable_elsewhere_are_not_here(account: Account) -> None:
    draft = account.edit()
    with pytest.raises(TypeError):
        draft.contact_params["q"] = "0.6"
    assert account.params.contact_params == {"q": "0.5"}


def test_block_commits_when_it_ends(account: Account) -> None:
    with account.edit() as draft:
        draft.expires = 300
        assert account.commits == []
    assert account.commits == [TOTO.replace(expires=300)]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_exception_discards_the_draft(account: Account, error: type[BaseException]) -> None:
    draft = account.edit()

    def block() -> None:
        with draft:
            draft.expires = 300
            raise error

    with pytest.raises(error):
        block()
    assert account.commits == []
    with pytest.raises(RuntimeError):
        draft.done()


def test_done_within_the_block_is_done_once(account: Account) -> None:
    with account.edit() as draft:
        draft.expires = 300
        draft.done()
    assert len(account.commits) == 1


def test_exception_after_done_undoes_nothing(account: Account) -> None:
    def block() -> None:
        with account.edit() as draft:
            draft.expires = 300
            draft.done()
            raise LookupError

    with pytest.raises(LookupError):
        block()
    assert account.params.expires == 300


def test_discard_within_the_block_commits_nothing(account: Account) -> None:
    with account.edit() as draft:
        draft.expires = 300
        draft.discard()
    assert account.commits == []


def test_closed_draft_is_of_no_more_use(account: Account) -> None:
    draft = account.edit()
    draft.done()
    again = "^this draft was done or discarded; call edit\\(\\) for another$"
    with pytest.raises(RuntimeError, match=again):
        draft.done()
    with pytest.raises(RuntimeError, match=again):
        draft.expires = 300
    with pytest.raises(RuntimeError, match=again):
        _ = draft.expires
    draft.discard()
    with pytest.raises(AttributeError):
        draft.lifetime = 300
    assert len(account.commits) == 1


def test_value_that_cannot_work_changes_nothing_and_keeps_the_draft_open(account: Account) -> None:
    draft = account.edit()
    draft.register = False
    draft.expires = 0
    with pytest.raises(ConfigError) as caught:
        draft.done()
    assert caught.value.field == "expires"
    assert account.commits == []
    draft.expires = 300
    draft.done()
    assert account.commits == [TOTO.replace(register=False, expires=300)]


def test_value_that_cannot_work_leaves_the_block_as_an_error(account: Account) -> None:
    with pytest.raises(ConfigError), account.edit() as draft:
        draft.expires = 0
    assert account.commits == []


def test_commit_that_is_refused_keeps_the_draft_open(account: Account) -> None:
    draft = account.edit()
    draft.expires = 300
    account.refuses = ConfigError("id", "a", "another")
    with pytest.raises(ConfigError):
        draft.done()
    account.refuses = None
    draft.done()
    assert account.commits == [TOTO.replace(expires=300)]


def test_two_drafts_do_not_undo_each_other(account: Account) -> None:
    one, other = account.edit(), account.edit()
    one.expires = 300
    other.register = False
    one.done()
    assert other.expires == 300
    other.done()
    assert account.params == TOTO.replace(expires=300, register=False)


def test_of_two_drafts_of_one_setting_the_later_counts(account: Account) -> None:
    one, other = account.edit(), account.edit()
    one.expires, other.expires = 300, 400
    other.done()
    one.done()
    assert account.params.expires == 300


def test_SEC_9_draft_shows_names_only(account: Account) -> None:
    draft = account.edit()
    assert repr(draft) == "<Draft: no changes>"
    draft.ref_key = "planted-secret"
    draft.expires = 300
    assert repr(draft) == "<Draft: expires, ref_key>"
    draft.discard()
    assert repr(draft) == "<Draft: closed>"


def test_copy_of_a_draft_is_no_endless_loop(account: Account) -> None:
    draft = account.edit()
    draft.expires = 300
    with pytest.raises(AttributeError):
        copy.copy(draft)
