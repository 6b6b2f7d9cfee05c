"""What stands in front of Synapse's methods: calls reach them as they were made, changed only where that is wanted."""

from __future__ import annotations

from typing import Any

import pytest

from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front


class _Handler:
    async def change(self, target: str, action: str = "join", *, reason: str, limit: int = 1) -> tuple[object, ...]:
        return (target, action, reason, limit)

    async def anything(self, *args: Any) -> tuple[Any, ...]:
        return args


async def _as_it_is(call: Call) -> Any:
    return await call.go_on()


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("a",), {"reason": "r"}),
        (("a", "leave"), {"reason": "r", "limit": 2}),
        ((), {"reason": "r", "action": "ban", "target": "a"}),
    ],
)
async def test_a_call_that_is_not_changed_comes_as_it_was_made(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    wrapped = _Handler()
    put_in_front(wrapped, "change", _as_it_is)
    assert await wrapped.change(*args, **kwargs) == await _Handler().change(*args, **kwargs)


async def test_what_is_put_last_is_asked_first_and_each_sees_what_the_one_before_it_changed() -> None:
    handler, seen = _Handler(), []

    async def inner(call: Call) -> Any:
        seen.append(("inner", dict(call.arguments)))
        return await call.go_on(reason="")

    async def outer(call: Call) -> Any:
        seen.append(("outer", dict(call.arguments)))
        first = await call.go_on(action="kick")
        return first, await call.go_on()

    put_in_front(handler, "change", inner)
    put_in_front(handler, "change", outer)
    wanted = {"target": "a", "action": "join", "reason": "r", "limit": 1}
    assert await handler.change("a", reason="r") == (("a", "kick", "", 1), ("a", "join", "", 1))
    assert seen == [("outer", wanted), ("inner", wanted | {"action": "kick"}), ("inner", wanted)]


async def test_of_a_class_every_object_has_it() -> None:
    class _Own(_Handler):
        pass

    async def shout(call: Call) -> Any:
        return await call.go_on(target=call.arguments["target"].upper())

    put_in_front(_Own, "change", shout)
    assert await _Own().change("a", reason="r") == ("A", "join", "r", 1)


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (("a",), {}),
        (("a", "b", "c"), {"reason": "r"}),
        (("a",), {"reason": "r", "unknown": 1}),
        (("a",), {"reason": "r", "target": "b"}),
        (("a",), {"unknown": 1}),
    ],
)
async def test_a_call_that_the_method_does_not_take_is_an_error_before_anything_is_done(
    args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    asked: list[Call] = []

    async def note(call: Call) -> Any:
        asked.append(call)

    handler: Any = _Handler()
    put_in_front(handler, "change", note)
    with pytest.raises(TypeError):
        await handler.change(*args, **kwargs)
    assert asked == []


def test_a_method_without_names_for_its_parameters_is_refused_when_something_is_put_in_front() -> None:
    with pytest.raises(TypeError, match="anything"):
        put_in_front(_Handler(), "anything", _as_it_is)
