"""Properties that are computed when they are first read (floor 1)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from aiosipreg.wire.grammar import BLANKS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["header", "lazy"]

_T = TypeVar("_T")


class lazy(Generic[_T]):
    """A property that is computed when first read and then found in the instance itself.

    Unlike ``functools.cached_property`` it takes no lock, and an instance that refuses to be changed can have one.
    """

    def __init__(self, compute: Callable[[Any], _T]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> lazy[_T]: ...
    @overload
    def __get__(self, instance: object, owner: type) -> _T: ...
    def __get__(self, instance: object, owner: type) -> lazy[_T] | _T:
        if instance is None:
            return self
        value = instance.__dict__[self._name] = self._compute(instance)
        return value


class _Header(lazy[_T]):
    def __init__(self, name: str, absent: Any, read: Callable[[Any, Sequence[str]], _T]) -> None:
        self._header = name
        self._absent = absent
        self._read = read
        self.__doc__ = read.__doc__

    def __get__(self, instance: Any, owner: type) -> Any:
        if instance is None:
            return self
        rows = instance.headers.names.get(self._header)
        if rows is None:
            return self._absent  # As most headers are, from most messages.
        rows = (rows.strip(BLANKS),) if isinstance(rows, str) else rows
        value = instance.__dict__[self._name] = self._read(instance, rows)
        return value


def header(name: str, absent: Any = None) -> Callable[[Callable[[Any, Sequence[str]], _T]], lazy[_T]]:
    """A lazy property of a message that is read from the rows of one header.

    Args:
        name: The header, as `canonical_name` gives it.
        absent: What it reads as where there is none.
    """
    return lambda read: _Header(name, absent, read)
