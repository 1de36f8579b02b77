"""A board as plain arrays and back, so that it can be kept over a restart."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np

from alerts.board import Board
from alerts.core.chain import Chains
from alerts.core.derived import Derived, Selects
from alerts.core.limits import Limits
from alerts.core.machine import State
from alerts.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

FORMAT = 3  # raised whenever the arrays or their meaning change: older ones are not read

_LAYOUT = ("active", "period", "zone")
_CHANNELS = ("evaluated", "newest", "received", "cold")
_RING = ("total", "samples", "filled", "head", "last_period")


def arrays_of(board: Board) -> dict[str, NDArray[Any]]:
    """Return all that a board is made of, by name; the board's own arrays, not copies."""
    layout = board.layout
    arrays: dict[str, NDArray[Any]] = {"zones": np.array(layout.zones, np.str_)}
    arrays |= {f"layout.{name}": getattr(layout, name) for name in _LAYOUT}
    arrays |= {f"limits.{one.name}": getattr(layout.versions, one.name) for one in fields(Limits)}
    for name, table in (("selects", layout.derived.selects), ("chains", layout.derived.chains)):
        arrays |= {f"{name}.{one.name}": getattr(table, one.name) for one in fields(table)}
    arrays |= {f"channel.{name}": getattr(board, name) for name in _CHANNELS}
    arrays |= {f"machine.{one.name}": getattr(board.machine, one.name) for one in fields(State)}
    for granule, ring in board.rings.items():
        arrays |= {f"ring.{granule}.{name}": getattr(ring, name) for name in _RING}
    return arrays | {"version": board.version}


def board_of(arrays: Mapping[str, NDArray[Any]]) -> Board:
    """Return the board that ``arrays_of`` took apart; KeyError where an array is missing."""
    limits = Limits(*(arrays[f"limits.{one.name}"] for one in fields(Limits)))
    active, period, zone = (arrays[f"layout.{name}"] for name in _LAYOUT)
    zones = tuple(arrays["zones"].tolist())
    derived = Derived(
        Selects(*(arrays[f"selects.{one.name}"] for one in fields(Selects))),
        Chains(*(arrays[f"chains.{one.name}"] for one in fields(Chains))),
    )
    board = Board(
        Layout.of(limits, active=active, period=period, zone=zone, zones=zones, derived=derived)
    )
    for name in _CHANNELS:
        setattr(board, name, arrays[f"channel.{name}"])
    board.machine = State(*(arrays[f"machine.{one.name}"] for one in fields(State)))
    board.version = arrays["version"]
    for granule, ring in board.rings.items():
        for name in _RING:
            setattr(ring, name, arrays[f"ring.{granule}.{name}"])
    return board
