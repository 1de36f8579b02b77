"""Hours filled by 40 CFR part 75: of one quantity, and of each that a mass flow is made of.

A mass flow is made of concentration, flow and whatever brings them to one state. Part 75 fills each
by tiers, look-back and potential value of its own and multiplies then (75.33, 75.37; appendix F,
8 and section 2 for the products): an hour without flow keeps its measured concentration. Quantities
that have no tiers, temperature and pressure, are not filled; hours without them have no mass flow,
unless the rule set has a fixed substitute for them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from alerts.core.chain import Role
from alerts.core.converted import combined, members
from alerts.core.part75 import THREE_YEARS, Tiers, availabilities, load_ranges, part75
from alerts.core.substitution import Clock, Method
from alerts.core.validity import averages

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from alerts.core.conditions import Floats
    from alerts.core.converted import Values
    from alerts.core.rules import Quantity, Rule
    from alerts.core.shortterm import Made, ShortTerm
    from alerts.core.substitution import Codes, Substituted

    Flags = NDArray[np.bool_]
    Versions = list[tuple[Made, Flags]]

_ROLES = {
    "main": Role.MAIN, "flow": Role.FLOW, "moisture": Role.MOISTURE, "oxygen": Role.OXYGEN,
}  # fmt: skip


def ranges_of(rule: Rule, short: ShortTerm) -> Codes | None:
    """Return the range of load of each hour, (T, n) or broadcast; None: all are in one."""
    if rule.load is None or rule.maximum_load is None:
        return None
    return load_ranges(short.load, rule.maximum_load)


def hours_of(
    short: ShortTerm, tiers: Tiers, value: Floats, operating: Flags, ranges: Codes | None
) -> Substituted:
    """Return the hours of one quantity filled: ``value`` (T, n) is NaN where it is missing."""
    clock = Clock(short.start, short.finish, THREE_YEARS)
    known = ~np.isnan(value) & operating
    availability = availabilities(clock, known, operating)
    return part75(value, operating, availability, tiers, clock, ranges)


def mass_flows(
    rule: Rule, short: ShortTerm, valid: Flags, operating: Flags, in_force: Flags
) -> tuple[Floats, tuple[Codes, ...]]:
    """Return mass flows (T, n), those that are not ``valid`` made of filled quantities.

    And the method of each of ``rule.apart``, (T, n): ``NONE`` where no mass flow could be made.
    Raises ValueError for averages without members.
    """
    if short.made is None:
        raise ValueError("expected the members of mass flows that are filled apart")
    versions = [(one, _applies(one, short)) for one in (short.made, *short.made.later)]
    ranges, methods = ranges_of(rule, short), []
    values, made_of_all = _values(versions, short), valid
    for one in rule.apart:
        role = _ROLES[one.role]
        needed = _needed(versions, role, valid.shape)
        alone = _measured(rule, short, versions, role, values[role])
        # Of what no hours were kept yet nothing is known but that the mass flow could be made.
        unknown = made_of_all & np.isnan(values[role])
        valid = valid & (alone | unknown)
        own = np.where(alone & operating, values[role], np.nan)
        looked_at = operating & needed & (in_force | alone) & ~unknown
        found = hours_of(short, _tiers(one), own, looked_at, ranges)
        values[role] = found.value
        methods.append(np.where(needed, found.method, Method.MEASURED))
    mass = np.where(valid, short.mean, np.nan)
    for made, applies in versions:
        mass = np.where(applies & ~valid, combined(made.chains, values), mass)
    there = operating & ~np.isnan(mass)
    told = [np.where(valid, Method.MEASURED, np.where(there, one, Method.NONE)) for one in methods]
    return np.where(there, mass, np.nan), tuple(one.astype(np.int8) for one in told)


def _applies(made: Made, short: ShortTerm) -> Flags:
    """Tell which averages the recipes were in force for when they ended, (T, n)."""
    finish = short.finish[:, None]
    return (finish > made.chains.since) & (finish <= made.chains.until)


def _needed(versions: Versions, role: Role, shape: tuple[int, ...]) -> Flags:
    """Tell which averages are made of a member in this role, (T, n): of others none is missing."""
    found = np.zeros(shape, np.bool_)
    for made, applies in versions:
        found |= applies & (made.chains.member[role] >= 0)
    return found


def _values(versions: Versions, short: ShortTerm) -> Values:
    """Return the members' hours in their roles' units; oxides of nitrogen as their sum."""
    found: Values = {}
    for made, applies in versions:
        values = members(made.chains, short.start[:, None], dict(made.means))
        if Role.SECOND in values:
            summed = made.chains.member[Role.SECOND] >= 0
            values[Role.MAIN] = values[Role.MAIN] + np.where(summed, values.pop(Role.SECOND), 0.0)
        for role, value in values.items():
            found[role] = np.where(applies, value, found.get(role, np.nan))
    return found


def _measured(rule: Rule, short: ShortTerm, versions: Versions, role: Role, value: Floats) -> Flags:
    """Tell where a member is valid by itself, as the rule has it of averages, (T, n)."""
    found = np.zeros(value.shape, np.bool_)
    for made, applies in versions:
        if role in made.counts:
            quarters = made.quarters.get(role, short.quarters)
            own = replace(short, mean=value, count=made.counts[role], quarters=quarters, made=None)
            found |= averages(rule, own)[0] & applies
    return found


def _tiers(one: Quantity) -> Tiers:
    return Tiers(one.potential, one.look_back, lesser=one.lesser, by_load=one.by_load)
