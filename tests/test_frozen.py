"""How frozen values are made in numbers."""

from __future__ import annotations

from dataclasses import KW_ONLY, FrozenInstanceError, dataclass, field, fields

import pytest

from aiosipreg.frozen import twin


@dataclass(frozen=True, slots=True)
class Value:
    place: str
    _: KW_ONLY
    number: int = 7
    text: str = field(init=False)

    def __post_init__(self) -> None:
        raise AssertionError("the twin makes no checks")


def test_a_twin_is_filled_like_any_object_and_becomes_the_frozen_value() -> None:
    made = twin(Value)("here")
    assert (made.place, made.number, made.text) == ("here", 7, None)
    made.text = "said"
    made.__class__ = Value
    assert type(made) is Value
    assert [getattr(made, entry.name) for entry in fields(Value)] == ["here", 7, "said"]
    with pytest.raises(FrozenInstanceError):
        made.text = "changed"  # type: ignore[misc]
    with pytest.raises(TypeError, match=r"Value.__init__\(\) got an unexpected keyword argument 'size'"):
        twin(Value)("here", size=1)
