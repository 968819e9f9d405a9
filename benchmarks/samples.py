"""One account and the four messages of its registration, the same for all subjects that need no network."""

from __future__ import annotations

from random import Random

from aiosipreg import AuthInfo, ProxyParams
from aiosipreg.engine.contacts import Purpose, contact_address
from aiosipreg.engine.digest import answer, offers
from aiosipreg.engine.effects import Flow
from aiosipreg.engine.policy import DigestPolicy
from aiosipreg.engine.register import RegisterSeries
from aiosipreg.engine.setup import Setup
from aiosipreg.engine.targets import Target, Transport
from aiosipreg.wire import Response, parse_message
from benchmarks.null_registrar import answered

PARAMS = ProxyParams("sip:toto@sip.titi.com")
SECRET = AuthInfo("toto", password="secret")
USER_AGENT = "aiosipreg"
TARGET = Target("192.0.2.1", 5060, Transport.UDP, "sip.titi.com")
FLOW = Flow(TARGET, "192.0.2.7", 5060)
SEEN = b";received=192.0.2.7;rport=5060"
BRANCH = "z9hG4bK4f7f1f0aa34bb1c5"
CNONCE = "8a1c3e5f7b9d0246"
CONTACT = contact_address(PARAMS, FLOW)


def series() -> RegisterSeries:
    """The REGISTERs of the account, always the same."""
    return RegisterSeries(PARAMS, Setup(random=Random(1), user_agent=USER_AGENT))


def _challenge(data: bytes) -> Response:
    message = parse_message(data)
    assert isinstance(message, Response)
    return message


_series = series()
REQUEST = _series.render(Purpose.REGISTER, FLOW, BRANCH, contact=CONTACT, lifetime=PARAMS.expires)
UNAUTHORIZED = answered(REQUEST, SEEN)
CHALLENGE = _challenge(UNAUTHORIZED).challenges[0]
NONCE = CHALLENGE.nonce
_policy = DigestPolicy()
AUTHORIZATION = answer(offers([CHALLENGE], _policy)[0], SECRET).authorization(
    "REGISTER", _series.form.request_uri, 1, CNONCE
)
AUTHORIZED = _series.render(
    Purpose.REGISTER,
    FLOW,
    BRANCH,
    contact=CONTACT,
    lifetime=PARAMS.expires,
    authorizations=[("Authorization", AUTHORIZATION)],
)
GRANTED = answered(AUTHORIZED, SEEN)
