"""What is told when something became of a registration (REG-40)."""

from __future__ import annotations

from typing import NamedTuple

from aiosipreg.engine.binding import Binding
from aiosipreg.engine.outcome import Outcome, capped_retry_after
from aiosipreg.engine.replies import Row
from aiosipreg.engine.report import clean, sentence
from aiosipreg.engine.targets import Target
from aiosipreg.engine.transitions import Transition
from aiosipreg.params import ProxyParams
from aiosipreg.states import Reason, RegistrationState
from aiosipreg.wire import Response

__all__ = ["Changed"]


class Changed(NamedTuple):
    """The state changed, or what it waits for did; what `RegistrationEvent` shows of it is worded when it is read.

    Attributes:
        params: The settings in force.
        transition: The row of the state table.
        old: The state before.
        state: The state now.
        reason: Why.
        binding: The binding in place.
        retry_at: When the next attempt begins by itself.
        wait: Seconds for the sentence: until then, or the lifetime that was granted.
        paused: Nothing begins by itself.
        row: The row of section 8 that ended the attempt, if that is what happened.
        response: The last answer, if one decided.
        cause: What the transport, the resolver or the provider said, for people.
        sent_to: Where the last request went, or was to go.
        flow: The reg-id of the flow that this happened to, where there are several.
    """

    params: ProxyParams
    transition: Transition
    old: RegistrationState
    state: RegistrationState
    reason: Reason
    binding: Binding | None
    retry_at: float | None
    wait: float | None
    paused: bool
    row: Row | None = None
    response: Response | None = None
    cause: str = ""
    sent_to: Target | None = None
    flow: int | None = None

    @property
    def identity(self) -> str:
        """The address-of-record."""
        return str(self.params.aor)

    @property
    def server(self) -> str:
        """The registrar."""
        return str(self.params.registrar)

    @property
    def status(self) -> int:
        """The status code of the answer that caused it, 0 when none did."""
        return self.response.status if self.response is not None else 0

    @property
    def phrase(self) -> str:
        """Its reason phrase."""
        return clean(self.response.reason) if self.response is not None else ""

    @property
    def warnings(self) -> tuple[str, ...]:
        """The texts of its Warning headers."""
        response = self.response
        return tuple(clean(warning.text) for warning in response.warnings) if response is not None else ()

    @property
    def message(self) -> str:
        """A sentence for people."""
        said = sentence(self.transition, self._outcome, self.reason, self.wait, paused=self.paused)
        return said if self.flow is None else f"flow {self.flow}: {said}"

    @property
    def expires_at(self) -> float | None:
        """End of the binding."""
        return self.binding.expires_at if self.binding is not None else None

    @property
    def retry_after(self) -> float | None:
        """What the server asked for in its Retry-After header, in seconds."""
        return capped_retry_after(self.response, self.sent_to)

    @property
    def target(self) -> str | None:
        """Where the last request went."""
        return str(self.sent_to) if self.sent_to is not None else None

    @property
    def unverified(self) -> bool:
        """Whether anybody on the way could have forged this refusal (SEC-17)."""
        outcome = self._outcome
        return outcome is not None and outcome.row.on_network_change and outcome.unprotected

    @property
    def _outcome(self) -> Outcome | None:
        """How the attempt ended. Every account keeps its newest change, so only what is told is in it."""
        return Outcome(self.row, self.response, self.cause, self.sent_to) if self.row is not None else None
