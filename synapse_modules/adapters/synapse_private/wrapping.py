"""Puts something of ours in front of a method of Synapse's, so that several may stand in front of the same one."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any


class _Form:
    """The parameters of a method, read once: they are bound at every message, invitation and request for keys."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self._signature = inspect.signature(method)
        parameters = self._signature.parameters.values()
        self._names = frozenset(self._signature.parameters)
        if any(one.kind in {one.VAR_POSITIONAL, one.VAR_KEYWORD} for one in parameters):
            raise TypeError(f"{method.__qualname__} does not name its parameters")
        self._positional = tuple(one.name for one in parameters if one.kind is not one.KEYWORD_ONLY)
        self._by_name = tuple(one.name for one in parameters if one.kind is one.KEYWORD_ONLY)
        self._defaults = {one.name: one.default for one in parameters if one.default is not one.empty}

    def read(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        """The arguments of a call by the parameters' names.

        Raises:
            TypeError: if the method cannot be called like this.
        """
        given = {**dict(zip(self._positional, args, strict=False)), **kwargs}
        arguments = {**self._defaults, **given}
        if len(given) != len(args) + len(kwargs) or arguments.keys() != self._names:
            self._signature.bind(*args, **kwargs)
        return arguments

    def call(self, method: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        """Calls the method, or what stands in front of it."""
        return method(
            *[arguments[name] for name in self._positional], **{name: arguments[name] for name in self._by_name}
        )


class Call:
    """A call that was not carried out yet; its arguments may be read and changed by the method's parameter names."""

    def __init__(self, method: Callable[..., Any], form: _Form, arguments: dict[str, Any]) -> None:
        self._method = method
        self._form = form
        self.arguments = arguments

    async def go_on(self, **changed: Any) -> Any:
        """Carries it out; more than once if other arguments are to be tried first."""
        return await self._form.call(self._method, {**self.arguments, **changed})

    def go_on_at_once(self, **changed: Any) -> Any:
        """The same for a method that is not asynchronous."""
        return self._form.call(self._method, {**self.arguments, **changed})


def put_in_front(owner: object, name: str, outer: Callable[[Call], Any]) -> None:
    """Calls ``outer`` whenever a method of an object is called; it is asynchronous exactly if the method is.

    What another subject put there before is called by ``Call.go_on``, so that the last one put is asked first.

    Raises:
        TypeError: if the method takes arguments without names of their own.
    """
    method = getattr(owner, name)
    form = _Form(method)

    @functools.wraps(method)
    async def in_front(*args: Any, **kwargs: Any) -> Any:
        return await outer(Call(method, form, form.read(args, kwargs)))

    @functools.wraps(method)
    def in_front_at_once(*args: Any, **kwargs: Any) -> Any:
        return outer(Call(method, form, form.read(args, kwargs)))

    setattr(owner, name, in_front if inspect.iscoroutinefunction(outer) else in_front_at_once)
