"""The registry as the server uses it: arrays over channel numbers, look-ups by topic."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alerts.core.derived import Derived

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from alerts.core.limits import Limits


@dataclass(frozen=True, slots=True)
class Channels:
    """What is known of each channel; every array is indexed by channel number (row 0 unused).

    Times and durations are int64 microseconds, values in the channel's unit of measure.
    ``missing`` has shape (channels, K), filled up with NaN. ``signed`` marks parameters whose
    negative values are ordinary (temperature, pressure). ``zone`` indexes ``Registry.zones``.
    """

    active: NDArray[np.bool_]
    period: NDArray[np.int64]
    range_low: NDArray[np.float64]
    range_high: NDArray[np.float64]
    missing: NDArray[np.float64]
    signed: NDArray[np.bool_]
    zone: NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit and the channel number that each of its payload keys means."""

    id: int
    enterprise: str
    unit: str
    channels: dict[str, int]


@dataclass(frozen=True, slots=True)
class Registry:
    """The registry in force from its loading until ``changes_at`` (None: until the next apply).

    ``units`` is keyed by ``enterprise/unit`` as in the topic. ``zones`` are offsets such as
    ``+05:00`` or IANA names. ``limits`` holds every version, past and future ones too. ``derived``
    are the channels that are computed from others.
    """

    version: int
    changes_at: int | None
    channels: Channels
    units: dict[str, Unit]
    zones: tuple[str, ...]
    limits: Limits
    derived: Derived = field(default_factory=Derived)
