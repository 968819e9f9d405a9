"""An edit session: the settings of a running account, changed together or not at all (floor 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from aiosipreg.params import SETTABLE

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from aiosipreg.params import ProxyParams

__all__ = ["Draft"]


class Draft:
    """The fields of `ProxyParams` as attributes; nothing happens before `done`.

    As a context manager it is done when the block ends, and discarded when the block raises. Only the fields that were
    set are changed, so two drafts of one account do not undo each other.

    Raises:
        AttributeError: An attribute that is no setting.
    """

    __slots__ = ("_changes", "_commit", "_current")

    def __init__(self, current: Callable[[], ProxyParams], commit: Callable[[ProxyParams], None]) -> None:
        object.__setattr__(self, "_current", current)
        object.__setattr__(self, "_commit", commit)
        object.__setattr__(self, "_changes", {})

    def __getattr__(self, name: str) -> Any:
        if name not in SETTABLE:
            raise AttributeError(_no_setting(name))
        changes: dict[str, Any] = self._open()
        return changes[name] if name in changes else getattr(self._current(), name)

    def __setattr__(self, name: str, value: object) -> None:
        if name not in SETTABLE:
            raise AttributeError(_no_setting(name))
        self._open()[name] = value

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._changes is None:
            return
        if kind is None:
            self.done()
        else:
            self.discard()

    def done(self) -> None:
        """Commit: nothing, a refresh, or a removal and a new registration, as the change needs.

        Raises:
            ConfigError: A value cannot work; nothing is changed, and the draft stays open.
            RuntimeError: The draft was done or discarded before.
        """
        self._commit(self._current().replace(**self._open()))
        object.__setattr__(self, "_changes", None)

    def discard(self) -> None:
        """Forget the changes."""
        object.__setattr__(self, "_changes", None)

    def __repr__(self) -> str:
        names = "closed" if self._changes is None else ", ".join(sorted(self._changes)) or "no changes"
        return f"<Draft: {names}>"

    def _open(self) -> dict[str, Any]:
        changes: dict[str, Any] | None = self._changes
        if changes is None:
            raise RuntimeError("this draft was done or discarded; call edit() for another")
        return changes


def _no_setting(name: str) -> str:
    return f"there is no setting {name!r}; settings are {', '.join(SETTABLE)}"
