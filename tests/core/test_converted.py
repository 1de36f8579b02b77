"""The chain of conversions: hand-worked steps, and a twin that converts value by value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.core.chain import UNCORRECTED, Chains, Role
from alerts.core.converted import derived
from alerts.core.vocabulary import HOUR, MINUTE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

GASES = tuple(UNCORRECTED)


def chain(*roles: Role, co2: float | None = None) -> Chains:
    """A chain to 6 % O2, or to this CO2, with these members beside the main one."""
    made = Chains.neutral(1, versions=2)
    for role in (Role.MAIN, *roles):
        made.member[role] = role
    if co2 is None:
        made.oxygen[:] = 6.0
    else:
        made.co2[:] = co2
    return made


def value_of(made: Chains, sums: Mapping[Role, tuple[float, int]], begin: int = HOUR) -> float:
    arrays = {
        role: (np.array([total]), np.array([number], np.int32))
        for role, (total, number) in sums.items()
    }
    return float(derived(made, np.array([begin]), arrays)[0])


def calibrate(made: Chains, gas: Role, *functions: tuple[int, float, float]) -> None:
    for version, (since, intercept, slope) in enumerate(functions):
        made.calibrated_from[gas, version] = since
        made.intercept[gas, version], made.slope[gas, version] = intercept, slope


# ---- two gases


@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        (HOUR - MINUTE, 100 * 46 / 30 + 20),  # before both
        (HOUR, (2 + 1.05 * 100) * 46 / 30 + 20),  # 107 mg of NO are 164.066667 of NO2
        (2 * HOUR, (2 + 1.05 * 100) * 46 / 30 + (-1 + 0.9 * 20)),  # 181.066667
        (3 * HOUR, (4 + 1.1 * 100) * 46 / 30 + (-1 + 0.9 * 20)),
    ],
)
def test_each_gas_is_calibrated_by_its_own_function_before_they_are_added(
    begin: int, expected: float
) -> None:
    made = chain(Role.SECOND)
    made.oxygen[:] = np.nan
    made.scale[Role.MAIN] = 46 / 30
    calibrate(made, Role.MAIN, (HOUR, 2.0, 1.05), (3 * HOUR, 4.0, 1.1))
    calibrate(made, Role.SECOND, (2 * HOUR, -1.0, 0.9))
    found = value_of(made, {Role.MAIN: (600.0, 6), Role.SECOND: (120.0, 6)}, begin)
    assert found == pytest.approx(expected, rel=1e-12)


# ---- values that are not brought to the reference oxygen

START_UP = chain(Role.OXYGEN, Role.MAIN_UNCORRECTED)
HALF = (13.5 * 6, 6)  # oxygen of 13.5 %: (21 - 6) / (21 - 13.5) = 2
AIR, NONE = (21.0 * 6, 6), (0.0, 0)
MIXED = {Role.MAIN: (4 * 100 + 300 + 330.0, 6), Role.MAIN_UNCORRECTED: (300 + 330.0, 2)}
ALL = {Role.MAIN: (630.0, 2), Role.MAIN_UNCORRECTED: (630.0, 2)}


def test_a_step_of_both_kinds_is_the_mean_of_values_corrected_and_not() -> None:
    expected = (4 * 100 * 2 + 300 + 330) / 6  # 238.333333
    assert value_of(START_UP, MIXED | {Role.OXYGEN: HALF}) == pytest.approx(expected, rel=1e-12)
    valid = {Role.MAIN: (400.0, 4), Role.MAIN_UNCORRECTED: NONE, Role.OXYGEN: HALF}
    assert value_of(START_UP, valid) == 200.0
    assert value_of(START_UP, ALL | {Role.OXYGEN: HALF}) == 315.0


def test_it_is_calibrated_and_dried_all_the_same() -> None:
    made = chain(Role.OXYGEN, Role.MAIN_UNCORRECTED, Role.MOISTURE)
    made.wet[:] = True
    calibrate(made, Role.MAIN, (0, 5.0, 1.1))
    dry = {Role.OXYGEN: HALF, Role.MOISTURE: (1.2, 6)}  # 20 %
    # 115 each, doubled; 335 and 368; of dry gas a quarter more.
    expected = (4 * 115 * 2 + 335 + 368) / 6 / 0.8  # 338.125
    assert value_of(made, MIXED | dry) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("oxygen", [AIR, NONE], ids=["as in air", "missing"])
def test_oxygen_is_needed_only_for_what_is_corrected(oxygen: tuple[float, int]) -> None:
    assert value_of(START_UP, ALL | {Role.OXYGEN: oxygen}) == 315.0
    assert np.isnan(value_of(START_UP, MIXED | {Role.OXYGEN: oxygen}))


def test_a_valid_zero_at_no_known_oxygen_is_not_assessable() -> None:
    zero = {Role.MAIN: (0.0, 1), Role.MAIN_UNCORRECTED: NONE}
    assert np.isnan(value_of(START_UP, zero | {Role.OXYGEN: NONE}))


def test_values_of_both_kinds_count_towards_what_a_step_needs() -> None:
    made = chain(Role.OXYGEN, Role.MAIN_UNCORRECTED)
    made.required[Role.MAIN] = 4
    two = {Role.MAIN: (730.0, 3), Role.MAIN_UNCORRECTED: (630.0, 2), Role.OXYGEN: HALF}
    assert np.isnan(value_of(made, two))
    assert np.isnan(value_of(made, ALL | {Role.OXYGEN: HALF}))
    four = {Role.MAIN: (830.0, 4), Role.MAIN_UNCORRECTED: (630.0, 2), Role.OXYGEN: HALF}
    assert value_of(made, four) == pytest.approx((200 * 2 + 630) / 4, rel=1e-12)


def test_carbon_dioxide_is_treated_alike() -> None:
    made = chain(Role.CO2, Role.MAIN_UNCORRECTED, co2=12.0)
    mixed = MIXED | {Role.CO2: (4.0 * 6, 6)}  # three times
    assert value_of(made, mixed) == pytest.approx((4 * 100 * 3 + 630) / 6, rel=1e-12)
    assert value_of(made, ALL | {Role.CO2: NONE}) == 315.0


def test_each_of_two_gases_goes_by_its_own_readings() -> None:
    made = chain(Role.OXYGEN, Role.SECOND, Role.MAIN_UNCORRECTED, Role.SECOND_UNCORRECTED)
    made.scale[Role.MAIN] = 2.0
    sums = {
        **ALL,
        Role.SECOND: (10 + 20 + 60.0, 3),
        Role.SECOND_UNCORRECTED: (60.0, 1),
        Role.OXYGEN: HALF,
    }
    expected = 2 * 315 + ((10 + 20) * 2 + 60) / 3
    assert value_of(made, sums) == pytest.approx(expected, rel=1e-12)
    assert np.isnan(value_of(made, sums | {Role.OXYGEN: NONE}))


def test_a_substitute_that_nothing_rests_on_is_not_marked() -> None:
    made = chain(Role.OXYGEN, Role.MAIN_UNCORRECTED)
    made.substitute[Role.OXYGEN], made.mark[:] = 13.5, True
    assert value_of(made, MIXED | {Role.OXYGEN: NONE}) == 1.0
    assert np.isnan(value_of(made, ALL | {Role.OXYGEN: NONE}))
    made.mark[:] = False
    expected = (4 * 100 * 2 + 630) / 6
    assert value_of(made, MIXED | {Role.OXYGEN: NONE}) == pytest.approx(expected, rel=1e-12)


def test_chains_that_correct_all_stay_as_they_are_beside_others() -> None:
    plain, other = chain(Role.OXYGEN), START_UP
    both = Chains(
        *(
            np.concatenate([getattr(plain, name), getattr(other, name)], axis=-1)
            for name in Chains.__slots__
        )
    )
    sums = {
        Role.MAIN: (np.array([333.3, 0.0]), np.array([3, 0], np.int32)),
        Role.MAIN_UNCORRECTED: (np.zeros(2), np.zeros(2, np.int32)),
        Role.OXYGEN: (np.array([8.1, 8.1]), np.ones(2, np.int32)),
    }
    found = derived(both, np.zeros(2, np.int64), sums)
    assert found[0] == value_of(plain, {Role.MAIN: (333.3, 3), Role.OXYGEN: (8.1, 1)})
    assert np.isnan(found[1])


# ---- the twin


@dataclass(frozen=True)
class Step:
    """What was measured in a step: of each gas (value, whether it is left uncorrected)."""

    gases: Sequence[Sequence[tuple[float, bool]]]
    functions: Sequence[tuple[float, float]]
    warm: float
    moist: float
    oxygen: float

    def chain(self) -> Chains:
        roles = (Role.TEMPERATURE, Role.MOISTURE, Role.OXYGEN)
        made = chain(*roles, *GASES[1 : len(self.gases)], *self._uncorrected)
        made.wet[:] = made.oxygen_wet[:] = True
        for gas, (intercept, slope) in zip(GASES, self.functions, strict=True):
            calibrate(made, gas, (0, intercept, slope))
        made.scale[Role.SECOND] = 1.5
        return made

    @property
    def _uncorrected(self) -> list[Role]:
        return [UNCORRECTED[gas] for gas in GASES[: len(self.gases)]]

    def sums(self) -> dict[Role, tuple[float, int]]:
        found = {
            Role.TEMPERATURE: (self.warm, 1),
            Role.MOISTURE: (self.moist, 1),
            Role.OXYGEN: (self.oxygen, 1),
        }
        for gas, values in zip(GASES, self.gases, strict=False):
            left = [value for value, uncorrected in values if uncorrected]
            found[gas] = sum(value for value, _ in values), len(values)
            found[UNCORRECTED[gas]] = sum(left), len(left)
        return found

    def slow(self) -> float:
        """Convert each value for itself; a step is the sum of its gases' means."""
        total = 0.0
        oxygen = self.oxygen / (1 - self.moist)
        for place, values in enumerate(self.gases):
            intercept, slope = self.functions[place]
            converted = []
            for value, uncorrected in values:
                dry = (intercept + slope * value) * (1.5 if place else 1.0)
                dry *= self.warm / 273.15 / (1 - self.moist)
                converted.append(dry if uncorrected else dry * (21 - 6) / (21 - oxygen))
            total += sum(converted) / len(converted)
        return total


numbers = st.floats(0, 2000, allow_nan=False)
values = st.lists(st.tuples(numbers, st.booleans()), min_size=1, max_size=6)
function = st.tuples(st.floats(-5, 5), st.floats(0.5, 2))
steps = st.builds(
    Step,
    gases=st.lists(values, min_size=1, max_size=2),
    functions=st.tuples(function, function),
    warm=st.floats(250, 600),
    moist=st.floats(0, 0.4),
    oxygen=st.floats(0, 12),
)


@given(step=steps)
def test_a_step_is_what_its_values_are_one_by_one(step: Step) -> None:
    found = value_of(step.chain(), step.sums())
    assert found == pytest.approx(step.slow(), rel=1e-9, abs=1e-6)


@given(step=steps)
def test_of_one_kind_alone_it_is_the_plain_chain_to_the_bit(step: Step) -> None:
    corrected, as_measured = step.chain(), step.chain()
    for made in (corrected, as_measured):
        for gas in GASES:
            made.member[UNCORRECTED[gas]] = -1
    as_measured.oxygen[:] = np.nan
    for plain, kind in ((corrected, False), (as_measured, True)):
        gases = [[(value, kind) for value, _ in one] for one in step.gases]
        alike = Step(gases, step.functions, step.warm, step.moist, step.oxygen)
        sums = alike.sums()
        without = {role: sums[role] for role in sums if role < Role.MAIN_UNCORRECTED}
        assert value_of(step.chain(), sums) == value_of(plain, without)


@given(step=steps, factor=st.floats(0.1, 10))
def test_a_gas_so_many_times_as_strong_is_so_many_times_the_value(
    step: Step, factor: float
) -> None:
    made, sums = step.chain(), step.sums()
    made.intercept[:] = 0.0
    stronger = {
        role: (total * factor, number) if role in {*GASES, *UNCORRECTED.values()} else
        (total, number)
        for role, (total, number) in sums.items()
    }  # fmt: skip
    expected = factor * value_of(made, sums)
    assert value_of(made, stronger) == pytest.approx(expected, rel=1e-9, abs=1e-9)
