"""What every answer to a REGISTER leads to: section 8 of the requirements as one table.

A row is named as there (``RSP-423``). ``decide`` finds the row of a status code, `TROUBLES` holds the rows of what goes
wrong without an answer. Nothing else in the package compares status codes.
"""

from __future__ import annotations

import enum
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from aiosipreg.engine.timers import SHORTEST_CYCLE
from aiosipreg.states import Reason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from random import Random

    from aiosipreg.engine.timers import RetryPolicy
    from aiosipreg.wire import Response, SipUri

__all__ = ["TABLE", "TROUBLES", "Row", "Then", "decide", "wait_after", "warned"]


class Then(enum.Enum):
    """What happens next."""

    WAIT = "wait"
    """The cycle goes on waiting: a provisional answer."""
    SUCCEED = "succeed"
    CHALLENGE = "challenge"
    """Answer with credentials, now."""
    REPAIR = "repair"
    """Send again, now, with what the answer objects to changed; once a cycle."""
    REDIRECT = "redirect"
    NEXT_TARGET = "next target"
    """Send again, now, to the next target; after the last one like `BACK_OFF`."""
    BACK_OFF = "back off"
    """Try again after the back-off of RFC 5626, never before Retry-After."""
    SLOW = "slow"
    """Try again after 15 to 30 minutes, with Retry-After like `BACK_OFF`: repeating soon cannot help."""
    SOON_ONCE = "soon once"
    """Try again after 2.1 to 4 seconds, the second time like `BACK_OFF` (RFC 3261 14.1)."""
    STOP = "stop"
    """Not tried again by itself."""


class Row(NamedTuple):
    """One row of the table.

    Attributes:
        id: Its name in the requirements.
        then: What happens next.
        reason: What the application is told.
        advice: The sentence for people, completed by the status line.
        or_later: With a Retry-After, `STOP` becomes `BACK_OFF`.
        on_network_change: A changed network is a reason to try again although the row says `STOP`.
        elsewhere: At the next attempt resolve again and prefer another host (DNS-18).
        new_call_id: The next attempt starts a new Call-ID.
        silent: Nobody was there to answer; when it happens to several accounts the target may be dead (OVL-7).
    """

    id: str
    then: Then
    reason: Reason
    advice: str = ""
    or_later: bool = False
    on_network_change: bool = False
    elsewhere: bool = False
    new_call_id: bool = False
    silent: bool = False


_SIPS_NOT_ALLOWED = 380  # RFC 5630 6.2; 381 is the other way round, and only told

_SAME_AGAIN = "the server does not accept this request; it is not repeated until the settings change"
_UNKNOWN_USER = "the server does not know this address-of-record; check the identity and the server"
_NO_REGISTRAR = "this server is no registrar; check the server setting"
_SERVER_TROUBLE = "the server is in trouble"
_ODD = "an answer that makes no sense to a REGISTER; the provider should know"


def _stop(id_: str, reason: Reason, advice: str = _SAME_AGAIN, **more: bool) -> Row:
    return Row(id_, Then.STOP, reason, advice, **more)


def _later(id_: str, reason: Reason, advice: str = _SERVER_TROUBLE, **more: bool) -> Row:
    return Row(id_, Then.BACK_OFF, reason, advice, elsewhere=True, **more)


def _slow(id_: str, reason: Reason, advice: str = _ODD, **more: bool) -> Row:
    return Row(id_, Then.SLOW, reason, advice, **more)


def _nobody(id_: str, reason: Reason, advice: str) -> Row:
    return Row(id_, Then.NEXT_TARGET, reason, advice, elsewhere=True, silent=True)


def _repair(id_: str, reason: Reason, advice: str) -> Row:
    return Row(id_, Then.REPAIR, reason, advice)


_REDIRECT = "the server sends us elsewhere"

TABLE: Mapping[int, Row] = MappingProxyType({
    100: Row("RSP-100", Then.WAIT, Reason.NONE),
    200: Row("RSP-200", Then.SUCCEED, Reason.NONE),
    300: Row("RSP-300", Then.REDIRECT, Reason.REDIRECT_REFUSED, _REDIRECT),
    301: Row("RSP-301", Then.REDIRECT, Reason.MOVED_PERMANENTLY, _REDIRECT),
    302: Row("RSP-302", Then.REDIRECT, Reason.REDIRECT_REFUSED, _REDIRECT),
    305: Row("RSP-305", Then.REDIRECT, Reason.REDIRECT_REFUSED, _REDIRECT),
    380: _slow("RSP-380", Reason.REDIRECT_REFUSED, "the server names another service, which is not followed"),
    400: _stop("RSP-400", Reason.BAD_RESPONSE, "the server calls the request malformed", or_later=True),
    401: Row("RSP-401", Then.CHALLENGE, Reason.UNAUTHORIZED),
    402: _stop("RSP-402", Reason.REJECTED, "the server wants payment"),
    403: _stop("RSP-403", Reason.FORBIDDEN, "the server forbids this registration; check user, password and account"),
    404: _stop("RSP-404", Reason.NOT_FOUND, _UNKNOWN_USER, or_later=True),
    405: _stop("RSP-405", Reason.REJECTED, _NO_REGISTRAR, on_network_change=True),
    406: _stop("RSP-406", Reason.NOT_ACCEPTABLE),
    407: Row("RSP-407", Then.CHALLENGE, Reason.UNAUTHORIZED),
    408: Row("RSP-408", Then.NEXT_TARGET, Reason.NO_RESPONSE, "the server gave up waiting"),
    410: _stop("RSP-410", Reason.GONE, _UNKNOWN_USER, or_later=True),
    412: _stop("RSP-412", Reason.CONDITIONAL_REQUEST_FAILED, or_later=True),
    413: _stop("RSP-413", Reason.REJECTED, "the request is too large for the server", or_later=True),
    414: _stop("RSP-414", Reason.REJECTED),
    415: _stop("RSP-415", Reason.UNSUPPORTED_CONTENT),
    416: _stop("RSP-416", Reason.REJECTED, "the server does not take this kind of URI"),
    420: _repair("RSP-420", Reason.REJECTED, "the server does not understand an extension that is needed"),
    421: _repair("RSP-421", Reason.REJECTED, "the server needs an extension that is not there"),
    423: _repair("RSP-423", Reason.INTERVAL_TOO_BRIEF, "the server wants a longer lifetime than can be granted"),
    430: _later("RSP-430", Reason.IO_ERROR, "the flow is broken on the server's side"),
    439: _repair("RSP-439", Reason.REJECTED, "the first hop does not support outbound"),
    440: _slow("RSP-440", Reason.REJECTED, "a loop in the provider's network"),
    480: _later("RSP-480", Reason.TEMPORARILY_UNAVAILABLE),
    481: Row("RSP-481", Then.BACK_OFF, Reason.NO_MATCH, _SERVER_TROUBLE, new_call_id=True),
    482: _slow("RSP-482", Reason.REJECTED, "a loop in the provider's network", elsewhere=True),
    483: _slow("RSP-483", Reason.REJECTED, "a loop in the provider's network", elsewhere=True),
    484: _stop("RSP-484", Reason.ADDRESS_INCOMPLETE, _UNKNOWN_USER),
    485: _stop("RSP-484", Reason.ADDRESS_INCOMPLETE, _UNKNOWN_USER),
    486: _slow("RSP-486", Reason.BUSY),
    487: _slow("RSP-486", Reason.REJECTED),
    488: _slow("RSP-486", Reason.NOT_ACCEPTABLE),
    489: _slow("RSP-489", Reason.BAD_EVENT),
    491: Row("RSP-491", Then.SOON_ONCE, Reason.TEMPORARILY_UNAVAILABLE, "another request is still being handled"),
    493: _stop("RSP-493", Reason.REJECTED),
    494: _stop("RSP-494", Reason.REJECTED, "the server needs a security agreement"),
    500: _later("RSP-500", Reason.REJECTED, new_call_id=True),
    501: _stop("RSP-501", Reason.NOT_IMPLEMENTED, _NO_REGISTRAR, on_network_change=True),
    502: _later("RSP-502", Reason.BAD_GATEWAY),
    503: Row("RSP-503", Then.NEXT_TARGET, Reason.SERVICE_UNAVAILABLE, "the server is overloaded or down",
             elsewhere=True),
    504: _later("RSP-504", Reason.SERVER_TIMEOUT),
    505: _stop("RSP-505", Reason.REJECTED),
    513: _repair("RSP-513", Reason.REJECTED, "the request is too large for the server"),
    555: _repair("RSP-555", Reason.REJECTED, "the server does not support this push service"),
    580: _slow("RSP-580", Reason.REJECTED),
    600: _slow("RSP-600", Reason.DO_NOT_DISTURB),
    603: _slow("RSP-603", Reason.DECLINED, "the server declines"),
    604: _stop("RSP-604", Reason.NOT_FOUND, _UNKNOWN_USER, or_later=True),
    606: _slow("RSP-606", Reason.NOT_ACCEPTABLE),
})  # fmt: skip

# RFC 3261 8.1.3.2: an unknown code is treated as the x00 of its class (REG-34).
_CLASSES: Mapping[int, Row] = MappingProxyType({
    1: Row("RSP-1XX", Then.WAIT, Reason.NONE),
    2: Row("RSP-2XX", Then.SUCCEED, Reason.NONE),
    3: Row("RSP-3XX", Then.REDIRECT, Reason.REDIRECT_REFUSED, _REDIRECT),
    4: _stop("RSP-4XX", Reason.REJECTED, or_later=True),
    5: _later("RSP-5XX", Reason.REJECTED, new_call_id=True),
    6: _slow("RSP-6XX", Reason.REJECTED, "the server declines"),
})  # fmt: skip

TROUBLES: Mapping[str, Row] = MappingProxyType({
    row.id: row
    for row in (
        _nobody("RSP-F0", Reason.NO_RESPONSE, "no server answered"),
        _later("RSP-F1", Reason.NO_RESPONSE, "the server began to answer and then fell silent"),
        _nobody("RSP-REF", Reason.IO_ERROR, "no server could be reached"),
        _nobody("RSP-CLOSE", Reason.IO_ERROR, "the server closed the connection instead of answering"),
        _nobody("RSP-TLS", Reason.TLS_ERROR, "no secure connection to the server came to be"),
        _stop("TLS-1", Reason.TLS_ERROR, "the server's certificate is not accepted; check the server setting and whom "
              "TlsParams trusts", on_network_change=True),
        Row("DNS-17", Then.NEXT_TARGET, Reason.SERVICE_UNAVAILABLE, "the server asked for time", elsewhere=True),
        _later("RSP-KA", Reason.IO_ERROR, "the connection to the server was lost"),
        _later("RSP-DNS", Reason.DNS_ERROR, "the server's name does not exist; check the server setting"),
        _later("RSP-DNS2", Reason.DNS_ERROR, "the name server does not answer"),
        _later("RSP-NET", Reason.NETWORK_DOWN, "there is no network"),
        Row("RSP-CB", Then.BACK_OFF, Reason.AUTH_PROVIDER_FAILED, "the credentials provider failed"),
        _later("RSP-LOC", Reason.IO_ERROR, "the attempt took too many requests or too long"),
        Row("RSP-200C", Then.BACK_OFF, Reason.BINDING_NOT_CREATED, "the server agreed, but holds no binding for us",
            elsewhere=True),
        Row("RSP-200A", Then.BACK_OFF, Reason.CONTACT_MISMATCH, "the server agreed, but does not list our Contact"),
        Row("F-20", Then.BACK_OFF, Reason.TEMPORARILY_UNAVAILABLE, "the registrar dropped the binding for a while"),
        _stop("F-21", Reason.REJECTED, "the registrar ended the registration"),
        _stop("F-22", Reason.REMOVED_BY_OTHER, "somebody else removed the binding; register again to have it back"),
        Row("SEC-27", Then.BACK_OFF, Reason.REGISTER_STORM, "more than 60 attempts within an hour"),
        _stop("TRA-1", Reason.IO_ERROR, "the server setting asks for a transport that is not there"),
        _stop("INTERNAL", Reason.INTERNAL, "an error in this program, which its log shows"),
        _stop("SIPS-2", Reason.TEMPORARILY_UNAVAILABLE, "the server does not allow sips here (Warning 380); a sips "
              "account never becomes a sip account by itself"),
        _stop("AUTH-20", Reason.UNAUTHORIZED, "the server refused the password; it will not be tried again until the "
              "credentials change"),
        _stop("AUTH-24", Reason.AUTH_UNAVAILABLE, "there are no credentials that answer the server's challenge; add "
              "some to try again"),
        _stop("SEC-1", Reason.AUTH_DOWNGRADE, "the challenge is weaker than what this realm accepted before; it is "
              "left unanswered, as DigestPolicy(refuse_downgrade=True) wants it"),
        _stop("SEC-6", Reason.REALM_MISMATCH, "the realm of the challenge has nothing to do with the server's "
              "certificate; credentials that name the realm answer it all the same"),
        _stop("RSP-200F", Reason.SERVER_NOT_AUTHENTICATED, "the server's proof of knowing the secret is wrong; "
              "somebody may stand between"),
        Row("AUTH-23", Then.BACK_OFF, Reason.UNAUTHORIZED, "the server keeps asking for credentials"),
        Row("REG-28", Then.BACK_OFF, Reason.INTERVAL_TOO_BRIEF, "the server finds every lifetime too short"),
    )
})  # fmt: skip


def decide(status: int) -> Row:
    """The row of a status code, 100 to 699."""
    return TABLE.get(status) or _CLASSES[status // 100]


def warned(row: Row, response: Response, registrar: SipUri) -> Row:
    """The row of a refusal; of that of a sips request, a Warning may say that sips is not allowed (SIPS-2).

    416 ends it anyway; the only other way would be sip instead, and that is for nobody but the application to decide.
    """
    if (
        registrar.secure
        and row.id == "RSP-480"
        and any(warning.code == _SIPS_NOT_ALLOWED for warning in response.warnings)
    ):
        return TROUBLES["SIPS-2"]
    return row


def wait_after(
    row: Row,
    retry_after: float | None,
    failures: int,
    policy: RetryPolicy,
    random: Random,
    *,
    alive: bool = False,
) -> float | None:
    """Seconds until the next attempt after a failure; ``None`` when there is none by itself.

    Args:
        row: The row that decided.
        retry_after: What the server asked for, capped; it lengthens a wait and never shortens one (OUTB-17).
        failures: Consecutive failures, this one included.
        policy: The back-off.
        random: Spreads many accounts.
        alive: Another flow of the account works (F-55).
    """
    if policy.max_attempts is not None and failures >= policy.max_attempts:
        return None
    if row.then is Then.STOP and not (row.or_later and retry_after is not None):
        return None
    if row.then in (Then.SLOW, Then.REDIRECT):
        wait = policy.slow(random)
    elif row.then is Then.SOON_ONCE and failures == 1:
        wait = random.uniform(2.1, 4.0)
    elif retry_after == 0 and failures == 1:
        wait = SHORTEST_CYCLE
    else:
        wait = policy.delay(failures, random, alive=alive)
    return max(wait, retry_after or 0.0)
