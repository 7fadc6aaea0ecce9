"""The order in which a day's events are stored: users together, each in time, equal events side by side."""

import ctypes
from pathlib import Path

import numpy as np

from models import native

SOURCE = Path(__file__).parents[1] / "native" / "order.cpp"


def order_events(
    users: np.ndarray, times: np.ndarray, items: np.ndarray, actions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sorts events by (user, time, item, action), equal ones in the order given.

    Args:
        users: (n,) uint64 hashes.
        times: (n,) int64.
        items: (n,) uint64 keys, equal for equal items.
        actions: (n,) uint8 codes.

    Returns:
        (n,) uint32 positions in their order, and (n,) bool whether the event there repeats the one before it.
    """
    if native.compiles(SOURCE):
        return _native(users, times, items, actions)
    return _numpy(users, times, items, actions)


def _numpy(
    users: np.ndarray, times: np.ndarray, items: np.ndarray, actions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    order = np.lexsort((actions, items, times, users)).astype(np.uint32)
    repeated = np.zeros(len(order), bool)
    if len(order):
        repeated[1:] = np.logical_and.reduce(
            [column[order][1:] == column[order][:-1] for column in (users, times, items, actions)]
        )
    return order, repeated


def _native(
    users: np.ndarray, times: np.ndarray, items: np.ndarray, actions: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    columns = [
        np.ascontiguousarray(column, dtype)
        for column, dtype in ((users, np.uint64), (times, np.int64), (items, np.uint64), (actions, np.uint8))
    ]
    order, repeated = np.empty(len(users), np.uint32), np.empty(len(users), np.uint8)
    pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (*columns, order, repeated)]
    native.kernel(SOURCE).order_events(ctypes.c_int64(len(users)), *pointers)
    return order, repeated.view(bool)
