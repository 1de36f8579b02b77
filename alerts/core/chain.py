"""What derived channels are computed from, and how: the recipes of many chains, as arrays.

A step of the chain that a channel does not need is left out by a neutral figure, so that the rest
stays exact. What becomes of values: ``alerts.core.converted``.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import IntEnum
from typing import TYPE_CHECKING, Self

import numpy as np

from alerts.core.conditions import OXYGEN_IN_AIR, STANDARD_PRESSURE, ZERO_CELSIUS
from alerts.core.vocabulary import FOREVER, MINUTE, NEVER

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.conditions import Floats

    Flags = NDArray[np.bool_]


class Role(IntEnum):
    """What a measured channel is to a derived one."""

    MAIN = 0
    SECOND = 1  # added to the main one: NO2 to the NO of NOx
    TEMPERATURE = 2  # K
    PRESSURE = 3  # kPa, absolute
    MOISTURE = 4  # share by volume
    OXYGEN = 5  # %
    CO2 = 6  # %
    FLOW = 7  # m3/h
    MAIN_UNCORRECTED = 8  # those of the main values that are not brought to reference oxygen or CO2
    SECOND_UNCORRECTED = 9


UNCORRECTED = {Role.MAIN: Role.MAIN_UNCORRECTED, Role.SECOND: Role.SECOND_UNCORRECTED}


@dataclass(frozen=True, slots=True)
class Chains:
    """How derived channels are computed: arrays over n of them, ``member`` ones (roles, n).

    ``member`` is the channel number of each role, -1 where it is not needed; its values times
    ``scale`` plus ``offset`` are in the role's unit. ``required`` is how many of its values a step
    of ``step`` (us) needs, ``substitute`` what stands for it where it is missing (NaN: nothing
    does). Values of the main and the second gas are first calibrated, each by its own function:
    ``calibrated_from`` (us, ascending), ``intercept`` and ``slope`` have shape (2, versions, n).
    ``wet``: the main value is of wet gas and the result of dry;
    ``standard``: it is at the target's temperature and pressure, whatever the flow is.
    ``stated_oxygen``: the main value is at this reference oxygen already. Of the target state NaN
    means: not converted to. ``mass`` is the factor on concentration x flow (NaN: no mass flow).
    ``mark``: the value is 1 where a substitute was used, and nothing elsewhere. ``version`` is the
    registry's that says so, of steps that end after ``since`` and not after ``until`` (us).
    """

    channel: NDArray[np.int32]
    step: NDArray[np.int64]
    member: NDArray[np.int32]
    scale: Floats
    offset: Floats
    required: NDArray[np.int32]
    substitute: Floats
    calibrated_from: NDArray[np.int64]
    intercept: Floats
    slope: Floats
    wet: NDArray[np.bool_]
    oxygen_wet: NDArray[np.bool_]
    co2_wet: NDArray[np.bool_]
    flow_wet: NDArray[np.bool_]
    flow_standard: NDArray[np.bool_]
    standard: NDArray[np.bool_]
    stated_oxygen: Floats
    temperature: Floats
    pressure: Floats
    oxygen: Floats
    air: Floats
    oxygen_cap: Floats
    co2: Floats
    co2_floor: Floats
    mass: Floats
    mark: NDArray[np.bool_]
    version: NDArray[np.int32]
    since: NDArray[np.int64]
    until: NDArray[np.int64]

    @classmethod
    def neutral(cls, n: int, versions: int = 0) -> Self:
        """Return n chains that leave a main value as it is, with calibrations that never begin."""
        roles, no, unset = (len(Role), n), np.zeros(n, np.bool_), np.full(n, np.nan)
        return cls(
            channel=np.zeros(n, np.int32),
            step=np.full(n, MINUTE),
            member=np.full(roles, -1, np.int32),
            scale=np.ones(roles),
            offset=np.zeros(roles),
            required=np.ones(roles, np.int32),
            substitute=np.full(roles, np.nan),
            calibrated_from=np.full((len(UNCORRECTED), versions, n), FOREVER),
            intercept=np.zeros((len(UNCORRECTED), versions, n)),
            slope=np.ones((len(UNCORRECTED), versions, n)),
            temperature=np.full(n, ZERO_CELSIUS),
            pressure=np.full(n, STANDARD_PRESSURE),
            air=np.full(n, OXYGEN_IN_AIR),
            oxygen_cap=np.full(n, np.inf),
            co2_floor=np.zeros(n),
            stated_oxygen=unset,
            oxygen=unset.copy(),
            co2=unset.copy(),
            mass=unset.copy(),
            wet=no,
            oxygen_wet=no.copy(),
            co2_wet=no.copy(),
            flow_wet=no.copy(),
            flow_standard=no.copy(),
            standard=no.copy(),
            mark=no.copy(),
            version=np.zeros(n, np.int32),
            since=np.full(n, NEVER),
            until=np.full(n, FOREVER),
        )

    def __len__(self) -> int:
        """Return how many derived channels there are."""
        return len(self.channel)

    @property
    def awaited(self) -> NDArray[np.int32]:
        """The members that a step is complete with: what is uncorrected comes with its own gas."""
        return self.member[: Role.MAIN_UNCORRECTED]

    def take(self, rows: NDArray[np.intp] | slice) -> Self:
        """Return some of them; of a slice the arrays are views."""
        return type(self)(*(getattr(self, one.name)[..., rows] for one in fields(self)))
