"""What the machines and the outside world say to each other.

Every input of a machine returns a list of `Effect`. A question (`Locate`, `Connect`, `Ask`, `Keep`) carries a token,
and its `Answer` carries the same; an answer that is no longer expected is ignored, so nothing that comes late can do
harm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

from aiosipreg.auth import AuthInfo
from aiosipreg.engine.binding import Binding
from aiosipreg.engine.change import Changed
from aiosipreg.engine.outcome import Outcome
from aiosipreg.engine.replies import Row
from aiosipreg.engine.targets import Target
from aiosipreg.wire import SipUri

__all__ = [
    "Answer",
    "Answered",
    "Ask",
    "Changed",
    "CloseFlow",
    "Concluded",
    "Connect",
    "Connected",
    "Effect",
    "Flow",
    "Keep",
    "Kept",
    "Locate",
    "Located",
    "NotAnswered",
    "NotConnected",
    "NotLocated",
    "Send",
    "TargetFailed",
]


class Flow(NamedTuple):
    """Where requests leave and answers come back: one UDP 5-tuple, or one connection.

    Attributes:
        target: The far end.
        host: Local address that the target can answer to, without brackets; never unspecified (REG-11). For WebSocket a
            name under ``.invalid``, which stands for nothing but the connection (RFC 7118 5).
        port: Local port; ``None`` for WebSocket.
        serial: Tells the connections to one target apart; 0 for UDP, where there is one flow to each target.
        behind: Local address of a WebSocket, which ``host`` does not tell; empty for all others.
        names: Names that the far end has proved to be its own, by a certificate; empty when it proved none.
    """

    target: Target
    host: str
    port: int | None
    serial: int = 0
    behind: str = ""
    names: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """Local IP address."""
        return self.behind or self.host

    @property
    def sent_by(self) -> str:
        """Local host and port as they stand in Via and Contact."""
        port = "" if self.port is None else f":{self.port}"
        return f"[{self.host}]{port}" if ":" in self.host else f"{self.host}{port}"


class Locate(NamedTuple):
    """Resolve this URI to targets (RFC 3263); answer with `Located` or `NotLocated`."""

    token: int
    uri: SipUri


class Connect(NamedTuple):
    """Have a flow to this target, this very one if it is named; answer with `Connected` or `NotConnected`.

    ``foreign`` is set when a redirect led outside the registrar's domain: no certificate of ours is shown there.
    """

    token: int
    target: Target
    flow: Flow | None = None
    foreign: bool = False


class Send(NamedTuple):
    """Send these octets on this flow; answers with this branch belong to the sender."""

    flow: Flow
    data: bytes
    branch: str
    again: bool = False


class Ask(NamedTuple):
    """Find credentials for this realm; answer with `Answered` or `NotAnswered`.

    ``foreign`` is set when a redirect led outside the registrar's domain: only credentials that name the realm count.
    """

    token: int
    realm: str
    algorithms: tuple[str, ...]
    attempt: int
    stale: bool
    target: Target
    foreign: bool = False


class Keep(NamedTuple):
    """Write down what must outlive the process before a request goes out that depends on it; answer with `Kept`."""

    token: int


class TargetFailed(NamedTuple):
    """A target was no good: the other accounts of the core need not find out by themselves (DNS-16, DNS-17, OVL-7).

    Attributes:
        target: Which.
        row: The row of section 8 that says how.
        retry_after: Its Retry-After in seconds, capped.
        at: When.
    """

    target: Target
    row: Row
    retry_after: float | None
    at: float


class CloseFlow(NamedTuple):
    """The far end says that this flow has failed: close it for all who use it, if it is a connection (RSP-430)."""

    flow: Flow
    cause: str


class Concluded(NamedTuple):
    """A query has ended; ``bindings`` is what the registrar listed, ``None`` if it listed nothing."""

    outcome: Outcome
    bindings: tuple[Binding, ...] | None = None


Effect: TypeAlias = Locate | Connect | Send | Ask | Keep | Changed | TargetFailed | CloseFlow | Concluded


class Located(NamedTuple):
    """The resolver found these targets, in the order in which to try them."""

    token: int
    targets: Sequence[Target]


class NotLocated(NamedTuple):
    """The resolver found nothing: the name does not exist (``absent``), or nobody knows (DNS-21).

    ``hopeless`` is set when no waiting helps, because the settings ask for a transport that is not there.
    """

    token: int
    cause: str
    absent: bool
    hopeless: bool = False

    @property
    def row(self) -> str:
        """The row of section 8 that decides."""
        return "TRA-1" if self.hopeless else "RSP-DNS" if self.absent else "RSP-DNS2"


class Connected(NamedTuple):
    """A flow to the target is there."""

    token: int
    flow: Flow


class NotConnected(NamedTuple):
    """There is no way to the target; ``row`` of section 8 decides what that means.

    With ``until`` nobody tried: it is known from another account that it is no use before that time.
    """

    token: int
    cause: str
    row: str = "RSP-REF"
    until: float | None = None


class Answered(NamedTuple):
    """Credentials for the realm, or ``None`` when nobody has any."""

    token: int
    info: AuthInfo | None


class NotAnswered(NamedTuple):
    """Whoever was asked for credentials failed, or took too long."""

    token: int
    cause: str


class Kept(NamedTuple):
    """It is written, or cannot be: a full disk must not keep an account from registering."""

    token: int


Answer: TypeAlias = Located | NotLocated | Connected | NotConnected | Answered | NotAnswered | Kept
