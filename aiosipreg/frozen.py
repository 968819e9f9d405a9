"""How frozen values are made in numbers (floor 0)."""

from __future__ import annotations

from dataclasses import field, fields, make_dataclass
from typing import Any

__all__ = ["twin"]


def twin(cls: type[Any]) -> type[Any]:
    """A class like a frozen dataclass with slots, but not frozen, and without its checks.

    What guards a frozen value makes a call of each assignment, also while the value is made. An instance of the twin is
    filled as any other object and then given its real class: ``instance.__class__ = cls``, which Python allows because
    the slots are the same. Nobody else may see it before. What the checks fill in is ``None`` at first.
    """
    entries = [
        (entry.name, object, field(default=entry.default if entry.init else None, kw_only=entry.kw_only))
        for entry in fields(cls)
    ]
    return make_dataclass(cls.__name__, entries, slots=True, eq=False, repr=False)
