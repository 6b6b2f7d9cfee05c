"""Columns have a place for every slot, and get more places when practices come."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", bound=np.generic)


def grown(column: NDArray[Value], room: int, axis: int = -1) -> NDArray[Value]:
    """A column with room for more slots along an axis; new places are zero."""
    shape = list(column.shape)
    shape[axis] = room - shape[axis]
    return np.concatenate([column, np.zeros(shape, dtype=column.dtype)], axis=axis)
