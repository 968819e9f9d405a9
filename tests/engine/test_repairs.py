"""What a registrar can make us change in our request: REG-27, REG-28 and the repair rows of section 8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from aiosipreg.engine.repairs import Concessions, repair
from aiosipreg.states import Reason, RegistrationState
from tests.engine.driver import START, Driver, params, parse_response

if TYPE_CHECKING:
    from aiosipreg.params import ProxyParams

NONE, PROGRESS, OK, REFRESHING, CLEARED, FAILED = RegistrationState
PLAIN = Concessions()


def fixed(
    status: int, *rows: str, given: Concessions = PLAIN, settings: ProxyParams | None = None
) -> Concessions | None:
    """What would satisfy an answer."""
    response = parse_response("\r\n".join([f"SIP/2.0 {status} X", *rows, "", ""]))
    return repair(status, response, settings or params(), given)


def started(**changes: object) -> Driver:
    driver = Driver(params(**changes))
    driver.register()
    return driver


def supported(driver: Driver) -> str | None:
    return driver.last.request.headers.get("Supported")


# 423


def test_REG_27_a_longer_lifetime_is_asked_for_at_once_and_remembered() -> None:
    driver = started(expires=60)
    driver.final(423, "Min-Expires: 300")
    assert (driver.now, driver.last.lifetime, driver.last.request.expires) == (START, 300, 300)
    driver.ok()
    assert driver.lease.expires_at == START + 300
    driver.step()
    assert driver.last.lifetime == 300
    assert driver.last.request.cseq is not None
    assert driver.last.request.cseq.number == 3


def test_REG_27_the_floor_does_not_shorten_a_longer_wish() -> None:
    driver = started(expires=60)
    driver.final(423, "Min-Expires: 300")
    driver.ok()
    driver.edit(expires=900)
    assert driver.last.lifetime == 900
    driver.ok()
    driver.edit(expires=100)
    assert driver.last.lifetime == 300


def test_REG_27_another_registrar_has_no_floor_yet() -> None:
    driver = started(expires=60)
    driver.final(423, "Min-Expires: 300")
    driver.ok()
    driver.edit(server="sip:other.example")
    driver.ok(contacts=False)
    assert (driver.last.request.uri, driver.last.lifetime) == ("sip:other.example", 60)


@pytest.mark.parametrize(
    "row",
    [
        "X-Nothing: 1", "Min-Expires: soon", "Min-Expires: 3600", "Min-Expires: 60", "Min-Expires: 86401",
        "Min-Expires: 4000\r\nMin-Expires: 5000",
    ],
    ids=["absent", "malformed", "equal", "below", "too high", "doubled"],
)  # fmt: skip
def test_REG_28_no_guessing(row: str) -> None:
    driver = started()
    driver.final(423, row)
    assert (driver.moves[-1], driver.event.reason, len(driver.requests)) == ("F-06", Reason.INTERVAL_TOO_BRIEF, 1)
    assert driver.waits(30, 60)


@pytest.mark.parametrize(("floor", "taken"), [(3601, True), (86_400, True), (86_401, False)])
def test_REG_28_the_highest_floor_is_a_day(floor: int, taken: bool) -> None:
    conceded = fixed(423, f"Min-Expires: {floor}")
    assert conceded == (Concessions(floor=floor) if taken else None)


def test_REG_28_a_second_423_ends_the_attempt() -> None:
    driver = started()
    driver.final(423, "Min-Expires: 4000")
    driver.final(423, "Min-Expires: 5000")
    assert (driver.moves[-1], driver.event.reason, len(driver.requests)) == ("F-06", Reason.INTERVAL_TOO_BRIEF, 2)
    driver.step()
    assert driver.last.lifetime == 4000


def test_REG_15_what_was_granted_is_never_asked_for() -> None:
    driver = started(expires=600)
    driver.ok("Contact: <sip:alice@198.51.100.7:5060>;expires=300")
    assert driver.lease.expires_at == START + 300
    driver.step()
    assert driver.last.lifetime == 600


# 420 and 421


def test_RSP_420_the_tags_that_are_not_understood_are_left_out() -> None:
    driver = started(supported=("Path", "gruu", "outbound"))
    driver.final(420, "Unsupported: GRUU, outbound")
    assert supported(driver) == "Path"
    driver.ok()
    driver.step()
    assert supported(driver) == "Path"


@pytest.mark.parametrize("row", ["X-Nothing: 1", "Unsupported: sec-agree"])
def test_RSP_420_without_a_tag_of_ours_is_final(row: str) -> None:
    driver = started()
    driver.final(420, row)
    assert (driver.moves[-1], driver.wait, len(driver.requests)) == ("F-07", None, 1)


def test_RSP_421_what_is_insisted_on_is_named_if_we_can_do_it() -> None:
    driver = started(supported=())
    assert supported(driver) is None
    driver.final(421, "Require: path")
    assert supported(driver) == "path"


@pytest.mark.parametrize("row", ["X-Nothing: 1", "Require: sec-agree", "Require: path, sec-agree", "Require: gruu"])
def test_RSP_421_anything_else_is_final(row: str) -> None:
    driver = started(supported=())
    driver.final(421, row)
    assert (driver.moves[-1], driver.wait, len(driver.requests)) == ("F-07", None, 1)


def test_RSP_421_for_what_was_named_already_is_final() -> None:
    driver = started()
    assert supported(driver) == "path"
    driver.final(421, "Require: path")
    assert driver.moves[-1] == "F-07"


def test_a_proxy_and_a_registrar_that_disagree_do_not_keep_us_busy() -> None:
    driver = started()
    driver.final(420, "Unsupported: path")
    assert supported(driver) is None
    driver.final(421, "Require: path")
    assert supported(driver) == "path"
    driver.final(420, "Unsupported: path")
    assert (driver.moves[-1], len(driver.requests)) == ("F-07", 3)


def test_RSP_420_takes_back_what_421_insisted_on() -> None:
    settings = params(supported=())
    given = fixed(421, "Require: path", settings=settings)
    assert given == Concessions(with_tags=("path",))
    assert given is not None
    conceded = fixed(420, "Unsupported: path", settings=settings, given=given)
    assert conceded is not None
    assert conceded.tags(settings) == ()


# 513 and 555


def test_RSP_513_a_bare_request() -> None:
    driver = started(headers=(("X-Long", "x" * 900),))
    size = len(bytes(driver.last.request))
    driver.final(513)
    request = driver.last.request
    for name in ("X-Long", "User-Agent", "Supported"):
        assert name not in request.headers
    assert len(bytes(request)) < size - 900
    driver.ok()
    driver.step()
    assert "X-Long" not in driver.last.request.headers


def test_RSP_513_a_bare_request_names_what_is_insisted_on() -> None:
    driver = started()
    driver.final(513)
    driver.final(421, "Require: path")
    assert supported(driver) == "path"


def test_RSP_555_PUSH_9_parameters_of_push_are_taken_back() -> None:
    driver = started(contact_uri_params={"pn-provider": "x", "PN-prid": "y", "color": "red"})
    assert "pn-provider=x" in driver.last.contacts[0]
    driver.final(555)
    assert "pn-" not in driver.last.contacts[0].lower()
    assert "color=red" in driver.last.contacts[0]


def test_RSP_555_without_such_parameters_is_final() -> None:
    driver = started()
    driver.final(555)
    assert (driver.moves[-1], driver.wait) == ("F-07", None)


# In general


def test_each_kind_of_repair_once_all_of_them_in_one_attempt() -> None:
    driver = started(contact_uri_params={"pn-provider": "x"})
    driver.final(423, "Min-Expires: 7200")
    driver.final(420, "Unsupported: path")
    driver.final(421, "Require: path")
    driver.final(555)
    driver.final(513)
    driver.ok()
    assert (driver.state, driver.now, len(driver.requests)) == (OK, START, 6)
    assert driver.session.series.concessions == Concessions(
        floor=7200, with_tags=("path",), bare=True, without_push=True
    )  # fmt: skip


def test_a_removal_is_not_repaired() -> None:
    driver = started()
    driver.ok()
    driver.unregister()
    driver.final(420, "Unsupported: path")
    assert (driver.moves[-1], len(driver.requests)) == ("F-34", 2)


def test_what_was_conceded_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        PLAIN.floor = 1  # type: ignore[misc]
