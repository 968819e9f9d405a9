"""What an account shows of itself: `ProxyConfig` without what can be done with it (floor 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn, cast

from aiosipreg.engine.requests import request_contact, route_set
from aiosipreg.errors import RegistrationError
from aiosipreg.states import OutboundFlow, RegistrationEvent, worded
from aiosipreg.wire import SipUri

if TYPE_CHECKING:
    from aiosipreg.core import Core
    from aiosipreg.engine.binding import Binding
    from aiosipreg.engine.gruu import Gruus
    from aiosipreg.engine.lease import Lease
    from aiosipreg.engine.registration import Registration
    from aiosipreg.flows import Flows
    from aiosipreg.params import ProxyParams
    from aiosipreg.ports import Host, Owner
    from aiosipreg.runner import Runner
    from aiosipreg.states import RegistrationState
    from aiosipreg.wire import NameAddr, ParamValue, Response

__all__ = ["Standing"]


class Standing:
    """Read-only views of a running account."""

    __slots__ = ("_core", "_flows", "_host", "_id", "_params")

    _core: Owner
    _flows: Flows
    _host: Host
    _id: str
    _params: ProxyParams

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"{name} cannot be set on a running account; use `with proxy.edit() as draft:`")
        object.__setattr__(self, name, value)

    def __repr__(self) -> str:
        return f"<ProxyConfig {self.identity} {self.state}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a running account cannot be copied or pickled; its params can")

    @property
    def core(self) -> Core:
        """The core that runs this account."""
        return cast("Core", self._core)

    @property
    def params(self) -> ProxyParams:
        """The settings as last committed."""
        return self._params

    @property
    def id(self) -> str:
        """Stable name of the account in its core."""
        return self._id

    @property
    def identity(self) -> str:
        """The address-of-record."""
        return str(self._params.aor)

    @property
    def server(self) -> str:
        """The registrar."""
        return str(self._params.registrar)

    @property
    def state(self) -> RegistrationState:
        """The state now: the best of its flows."""
        return self._flows.state

    @property
    def binding(self) -> Binding | None:
        """The binding in place, ``None`` without one."""
        return self._lease.binding

    @property
    def bindings(self) -> tuple[Binding, ...]:
        """All bindings that the registrar listed last, those of other user agents included."""
        return self._lease.bindings

    @property
    def contact(self) -> NameAddr | None:
        """Our Contact as the registrar bound it."""
        binding = self._lease.binding
        return binding.contact if binding is not None else None

    @property
    def expires_at(self) -> float | None:
        """End of the binding in ``loop.time()``."""
        return self._lease.expires_at

    @property
    def refresh_at(self) -> float | None:
        """When the binding is renewed, in ``loop.time()``; ``None`` while the account is paused."""
        return None if self.paused else self._lease.refresh_at

    @property
    def retry_at(self) -> float | None:
        """When a failed attempt is repeated, of any flow, in ``loop.time()``; ``None`` when it is not."""
        return None if self.paused else self._flows.retry_at

    @property
    def service_route(self) -> tuple[NameAddr, ...]:
        """The route for other requests that the registrar gave (RFC 3608); see `route_set`."""
        return self._lease.further.service_route

    @property
    def path(self) -> tuple[NameAddr, ...]:
        """The proxies through which requests come to us, as the registrar noted them (RFC 3327)."""
        return self._lease.further.path

    @property
    def associated_uris(self) -> tuple[NameAddr, ...]:
        """Addresses that the user has besides, the default first (RFC 7315); not all of them need be registered."""
        return self._lease.further.associated_uris

    @property
    def feature_caps(self) -> tuple[ParamValue, ...]:
        """What the servers on the way can do for this registration (RFC 6809); the indicators are in ``params``."""
        return self._lease.further.feature_caps

    @property
    def pub_gruu(self) -> str | None:
        """The public GRUU: an address that leads to this device from anywhere, for good (RFC 5627).

        ``None`` while nothing is registered, or if the registrar gave none.
        """
        return self._gruus.public

    @property
    def temp_gruus(self) -> tuple[str, ...]:
        """Temporary GRUUs, the newest last: they lead to this device and tell nobody whose it is (RFC 5627).

        All are good until the account is not registered any more, or had to begin a new Call-ID; at most 64 are kept.
        """
        return self._gruus.temporary

    def route_set(self, uri: str | SipUri) -> tuple[NameAddr, ...]:
        """The Route for another request of the user, such as a call: our proxies, then the registrar's Service-Route.

        Args:
            uri: The Request-URI; if it is a sips URI, all entries are.

        Raises:
            ParseError: ``uri`` is no SIP URI.
        """
        best = self._flows.best
        target = SipUri.parse(uri) if isinstance(uri, str) else uri
        return route_set(best.session.params.routes, best.lease.further.service_route, target)

    def request_contact(self, *, temporary: bool = False) -> NameAddr:
        """The Contact for another request of the user, so that answers and later requests find this device.

        It is a GRUU if the registrar gave one, else our address, with ``ob`` where the registrar leads requests to it
        through our flow (RFC 5626 4.3).

        Args:
            temporary: Take a GRUU that does not tell whose it is.

        Raises:
            RegistrationError: The account is not registered (RFC 5627 4.4).
            LookupError: The registrar gave no temporary GRUU.
        """
        best = self._flows.best
        session, gruus = best.session, self._gruus
        if best.lease.binding is None or session.bound is None:
            text = f"{self.identity} is {self.state}: without a registration there is no address to be found at"
            raise RegistrationError(text, self._standing)
        if temporary and not gruus.temporary:
            raise LookupError(f"the registrar of {self.identity} gave no temporary GRUU")
        gruu = gruus.temporary[-1] if temporary else gruus.public
        return request_contact(session.bound, gruu, outbound=bool(session.outbound))

    @property
    def flows(self) -> tuple[OutboundFlow, ...]:
        """Where each flow stands (RFC 5626), in the order of the outbound proxies; without such there is one."""
        return tuple(_shown(runner.machine) for runner in self._runners)

    @property
    def algorithm(self) -> str | None:
        """The digest algorithm that answers the registrar, such as ``SHA-256``; ``None`` if it does not challenge."""
        return self._flows.best.session.authenticator.algorithm

    @property
    def public_address(self) -> tuple[str, int] | None:
        """Our host and port as the registrar sees them, ``None`` if it sees what we see (NAT-2)."""
        return self._flows.best.session.mapped

    @property
    def paused(self) -> bool:
        """Whether nothing begins by itself, see `ProxyConfig.pause`."""
        return self._lease.paused

    @property
    def last_response(self) -> Response | None:
        """The newest final answer of the registrar to a REGISTER; its headers can be read."""
        return self._flows.best.session.answer

    @property
    def last_event(self) -> RegistrationEvent | None:
        """The newest event, ``None`` before the first."""
        flows = self._flows
        if flows.event is None and flows.changed is not None:
            flows.event = worded(cast("Any", self), flows.changed, flows.changed_at)
        return flows.event

    @property
    def _standing(self) -> RegistrationEvent:
        """The newest event, or what one would say before the first."""
        return self.last_event or RegistrationEvent(
            proxy_config=cast("Any", self),
            identity=self.identity, server=self.server, old=self.state, state=self.state, message="not registered",
            at=self._host.now(),
        )  # fmt: skip

    @property
    def _lease(self) -> Lease:
        """Where the best flow stands."""
        return self._flows.best.lease

    @property
    def _gruus(self) -> Gruus:
        """The GRUUs of all flows."""
        return self._flows.best.session.gruus

    @property
    def _runners(self) -> tuple[Runner[Registration], ...]:
        """One for each flow."""
        return self._flows.runners


def _shown(machine: Registration) -> OutboundFlow:
    session, lease = machine.session, machine.lease
    routes = session.params.routes
    return OutboundFlow(
        reg_id=session.reg_id,
        server=routes[0] if routes else str(session.params.registrar),
        state=machine.state,
        outbound=session.outbound,
        binding=lease.binding,
        target=str(lease.flow.target) if lease.flow is not None else None,
        retry_at=None if lease.paused else lease.retry_at,
        failures=lease.failures,
    )
