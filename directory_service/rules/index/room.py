"""Columns have a place for every slot, and get more places when practices come."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Value = TypeVar("Value", bound=np.generic)


def grown(column: NDArray[Value], room: int) -> NDArray[Value]:
    """A column with room for more slots, along its last axis; new places are zero."""
    more = np.zeros((*column.shape[:-1], room - column.shape[-1]), dtype=column.dtype)
    return np.concatenate([column, more], axis=-1)
