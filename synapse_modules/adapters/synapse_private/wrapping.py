"""Puts something of ours in front of a method of Synapse's, so that several may stand in front of the same one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from typing import Any


class Call:
    """A call that was not carried out yet; its arguments may be read and changed by the method's parameter names."""

    def __init__(self, method: Callable[..., Any], bound: inspect.BoundArguments) -> None:
        self._method = method
        self._bound = bound
        self.arguments: dict[str, Any] = bound.arguments

    async def go_on(self, **changed: Any) -> Any:
        """Carries it out; more than once if other arguments are to be tried first."""
        bound = inspect.BoundArguments(self._bound.signature, self.arguments | changed)
        return await self._method(*bound.args, **bound.kwargs)


def put_in_front(owner: object, name: str, outer: Callable[[Call], Awaitable[Any]]) -> None:
    """Calls ``outer`` whenever the asynchronous method of an object is called.

    What another subject put there before is called by ``Call.go_on``, so that the last one put is asked first.
    """
    method = getattr(owner, name)
    form = inspect.signature(method)

    @functools.wraps(method)
    async def in_front(*args: Any, **kwargs: Any) -> Any:
        bound = form.bind(*args, **kwargs)
        bound.apply_defaults()
        return await outer(Call(method, bound))

    setattr(owner, name, in_front)
