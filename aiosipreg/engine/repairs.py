"""What a registrar makes us change in our request: the repairs of section 8, each at most once in an attempt.

A repair is a larger `Concessions`: it is kept for as long as the account stays with this registrar, so that the same
objection does not come back with every refresh.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiosipreg.params import ProxyParams
    from aiosipreg.wire import Response

__all__ = ["NO_CONCESSIONS", "Concessions", "repair"]

_HIGHEST_FLOOR = 86_400


class Concessions(NamedTuple):
    """How far a request departs from the settings to please a registrar.

    Attributes:
        floor: The shortest lifetime that it takes (REG-27).
        without_tags: Option tags that it does not understand.
        with_tags: Option tags that it insists on.
        bare: Leave out every header that is not compulsory.
        without_push: Leave out the parameters of push notification.
    """

    floor: int = 0
    without_tags: frozenset[str] = frozenset()
    with_tags: tuple[str, ...] = ()
    bare: bool = False
    without_push: bool = False

    def lifetime(self, params: ProxyParams) -> int:
        """The lifetime to ask for: never what was granted last time (REG-15), never below the floor."""
        return max(params.expires, self.floor)

    def tags(self, params: ProxyParams) -> tuple[str, ...]:
        """The option tags of Supported."""
        wished = () if self.bare else _usual(params) if params.supported is None else params.supported
        if not (params.outbound or self.without_tags or self.with_tags):
            return wished
        if params.outbound:
            named = {tag.lower() for tag in wished}
            wished = (*wished, *(tag for tag in ("path", "outbound") if tag not in named))
        kept = tuple([tag for tag in wished if tag.lower() not in self.without_tags])
        return (*kept, *[tag for tag in self.with_tags if tag not in kept])


NO_CONCESSIONS: Final = Concessions()
"""What most registrars want: one for all accounts."""


def _usual(params: ProxyParams) -> tuple[str, ...]:
    """The option tags that are named by default (MSG-21, GRUU-1)."""
    return ("path",) if params.instance_id is None else ("path", "gruu")


def _implemented(params: ProxyParams) -> frozenset[str]:
    """The option tags that may be insisted on: without an instance-id there is neither outbound nor a GRUU."""
    return frozenset(_usual(params)) | (frozenset() if params.instance_id is None else {"outbound"})


def repair(status: int, response: Response, params: ProxyParams, given: Concessions) -> Concessions | None:
    """What would satisfy this answer, ``None`` if nothing that we may concede does.

    Args:
        status: 420, 421, 423, 439, 513 or 555.
        response: The answer.
        params: The account's settings.
        given: What was conceded before.
    """
    conceded = _REPAIRS[status](response, params, given)
    return None if conceded == given else conceded


def _bad_extension(response: Response, params: ProxyParams, given: Concessions) -> Concessions:
    # RFC 3261 8.1.3.5; what we only say to support is always optional.
    disliked = frozenset(response.unsupported) & {tag.lower() for tag in given.tags(params)}
    with_tags = tuple(tag for tag in given.with_tags if tag not in disliked)
    return given._replace(without_tags=given.without_tags | disliked, with_tags=with_tags)


def _no_outbound(response: Response, params: ProxyParams, given: Concessions) -> Concessions:
    # RFC 5626 11.6 and OUTB-12: remembered, so that the first hop does not have to say it again.
    if "outbound" not in map(str.lower, given.tags(params)):
        return given
    with_tags = tuple(tag for tag in given.with_tags if tag != "outbound")
    return given._replace(without_tags=given.without_tags | {"outbound"}, with_tags=with_tags)


def _extension_required(response: Response, params: ProxyParams, given: Concessions) -> Concessions:
    missing = tuple(tag for tag in response.require if tag not in given.tags(params))
    if not set(missing) <= _implemented(params):
        return given
    return given._replace(with_tags=given.with_tags + missing, without_tags=given.without_tags - set(missing))


def _interval_too_brief(response: Response, params: ProxyParams, given: Concessions) -> Concessions:
    # REG-28: no guessing without a usable Min-Expires, and no lifetime beyond a day.
    wanted = response.min_expires
    if wanted is None or not given.lifetime(params) < wanted <= _HIGHEST_FLOOR:
        return given
    return given._replace(floor=wanted)


def _message_too_large(response: Response, params: ProxyParams, given: Concessions) -> Concessions:
    return given._replace(bare=True)


def _push_not_supported(response: Response, params: ProxyParams, given: Concessions) -> Concessions:
    # RFC 8599 8.1; without parameters of push there is nothing to take back.
    pushed = any(name.lower().startswith("pn-") for name in params.contact_uri_params)
    return given._replace(without_push=given.without_push or pushed)


_REPAIRS: Final[Mapping[int, Callable[[Response, ProxyParams, Concessions], Concessions]]] = MappingProxyType({
    420: _bad_extension,
    439: _no_outbound,
    421: _extension_required,
    423: _interval_too_brief,
    513: _message_too_large,
    555: _push_not_supported,
})  # fmt: skip
