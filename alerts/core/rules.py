"""A condition of a rule set as it judges one limit: every setting resolved to a value.

Rule sets are files that people read; when a registry is applied each condition of a limit's rule
set becomes one ``Rule``, which is stored with the limit's version. A judgement thereby names all
that it rests on, whatever becomes of the file.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One of the quantities that a mass flow is made of, and how its gaps are filled.

    ``role``: "main" for the concentration, "flow", "moisture", "oxygen"; ``potential`` in the unit
    that a chain has for the role (mg/m3, m3/h, a share, %). ``lesser``: the lower value is the
    careful one. See ``alerts.core.part75.Tiers``.
    """

    role: str
    potential: float
    look_back: int
    lesser: bool = False
    by_load: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One condition, such as "95 % of the year's hourly means are at most 200 % of the limit".

    Durations are texts: ``10min``, ``1h``, ``1d``; ``1week``, ``1month``, ``1quarter``, ``1year``
    are those of the reporting zone's calendar; ``30operating_days`` pools the hours of so many.
    Shares and factors are texts, compared exactly (``exact_fraction``). Values are in ``uom``.

    What is judged: the mean over ``average`` (``statistic`` "mean"), made of ``short_term``
    averages, against ``factor`` x ``limit``; with ``rolling`` at each step, else in blocks. With
    "share" at least ``share`` of these means within ``per`` comply; with "count" at most
    ``at_most`` of what ``of`` names occur within ``per``, and at most ``at_most_in_a_row``; with
    "total" the mass that short-term mass flows [kg/h] make over ``average`` is at most the limit.
    ``per`` may be rolling (``rolling_per``): the last 24 h, the last 12 months. To exceed is to be
    above the threshold, where ``reached`` to be at it or above.

    ``of``: "exceeding" means (the parts of ``average``), "invalid_days", "out_of_calibration"
    (short-term averages more than 10 % above ``calibration_range``); and those of
    ``alerts.core.events``: "abatement_failure" (hours above the threshold, at most ``at_most`` and
    on end ``at_most_in_a_row``), "calibration_weeks" (weeks with more than 5 % out of calibration,
    since ``calibrated_from``, the newest calibration's day), "special_class" (short-term averages
    of start-up and shut-down above the threshold, counted and not judged), "failure_up_to" and
    "failure_above" (short-term averages above the threshold that are at most, or above, ``bound``;
    counted and not judged).

    A short-term average is valid with ``coverage`` of its slots in normal operation, that is
    outside the statuses ``leaves_out``, and with ``quadrants`` a value in each 15 minutes of it.
    A day with more than ``invalid_parts_a_day`` invalid short-term averages is invalid, as is one
    with fewer than ``valid_parts_a_day`` valid ones; a month needs ``valid_days_a_month`` (in
    February ``valid_days_in_february``). None: no such rule.

    ``substitution``: how missing short-term averages are filled before longer ones are made of them
    (``alerts.core.filling``); part75 looks back over ``look_back`` quality-assured hours, its last
    tier is ``potential``. ``by_load``: the tiers of NOx and flow, by ranges of the load that the
    source's channel ``load`` tells, whose maximum is ``maximum_load``; without one all hours are in
    one range. ``apart``: what mass flows are made of, each filled by its own tiers; empty: averages
    are filled themselves.

    ``uncertainty`` is subtracted from each short-term average: "none", "limit" (``share`` of the
    limit), "value" (of the mean, at most of the limit), "calibration" (``uncertainty_amount``).

    ``classes``: averages are counted in so many equal classes up to ``classes_top`` x ``limit``
    (``alerts.core.classes``), which decides nothing.

    ``group``: the conditions of one group are alternatives, one that complies is enough.
    ``alert``: rolling means are followed and raise alerts. ``verified``: the clause was read in
    its source; where not, it is from memory and to be checked before anybody is fined by it.
    """

    rules: str
    version: str
    condition: str
    clause: str
    verified: bool
    statistic: str
    average: str
    short_term: str
    limit: float
    uom: str
    factor: str = "1"
    reached: bool = False
    rolling: bool = False
    per: str | None = None
    rolling_per: bool = False
    share: str | None = None
    of: str = "exceeding"
    at_most: int | None = None
    at_most_in_a_row: int | None = None
    bound: float | None = None
    coverage: str = "2/3"
    quadrants: bool = False
    leaves_out: tuple[str, ...] = ("start_up", "shut_down", "stopped")
    invalid_parts_a_day: int | None = None
    valid_parts_a_day: int | None = None
    valid_days_a_month: int | None = None
    valid_days_in_february: int | None = None
    uncertainty: str = "none"
    uncertainty_share: str | None = None
    uncertainty_amount: float | None = None
    geometric: bool = False
    decimals: int | None = None
    label: str = "start"
    substitution: str = "none"
    look_back: int = 720
    potential: float | None = None
    by_load: bool = False
    load: str | None = None
    maximum_load: float | None = None
    apart: tuple[Quantity, ...] = ()
    calibration_range: float | None = None
    calibrated_from: str | None = None
    classes: int | None = None
    classes_top: str = "1"
    group: str | None = None
    alert: bool = True

    def __hash__(self) -> int:
        """Hash by what mostly tells rules apart: they are looked up by millions."""
        return hash((self.rules, self.version, self.condition, self.limit))

    @classmethod
    def of_json(cls, entry: Mapping[str, Any]) -> Self:
        """Return the rule that ``dataclasses.asdict`` made ``entry`` of, after JSON."""
        apart = tuple(Quantity(**one) for one in entry.get("apart", ()))
        leaves_out = tuple(entry.get("leaves_out", ()))
        return cls(**{**entry, "leaves_out": leaves_out, "apart": apart})
