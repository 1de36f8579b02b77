"""What a rule-set file may say: how limits are judged, as strict models.

A rule set has versions with the day that each applies from. A version says in what state of the gas
values are compared, what makes an average valid, and the conditions that a limit must meet; each
condition names its clause and says whether that was read in its source.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, TypeAdapter
from pydantic.dataclasses import dataclass

from ingest.registry_types import (
    CONDITION_PATTERN,
    LANGUAGE_PATTERN,
    STRICT,
    SUBSTANCE_PATTERN,
    Day,
    Id,
    Positive,
    Share,
    Text,
)
from ingest.registry_values import parse_day
from ingest.rules_sense import check_condition, check_version
from ingest.rules_values import (
    LIMIT_AVERAGE,
    check_per,
    check_short_term,
    check_window,
    decimal_text,
    reference_oxygen,
)

Substance = Annotated[str, Field(pattern=SUBSTANCE_PATTERN)]
ConditionId = Annotated[str, Field(pattern=CONDITION_PATTERN)]
Window = Annotated[str, AfterValidator(check_window)]
Percent = Annotated[float, Field(ge=0, lt=100)]
Count = Annotated[int, Field(ge=0)]
Factor = Annotated[str, BeforeValidator(decimal_text)]
StatusCode = Literal[
    "calibration", "maintenance", "malfunction", "out_of_range", "start_up", "shut_down", "stopped",
    "substituted",
]  # fmt: skip
IdleCode = Literal["start_up", "shut_down", "stopped"]


@dataclass(config=STRICT, slots=True)
class Reference:
    """The state of the gas that values are compared in, as far as it is prescribed.

    ``temperature`` [K] and ``pressure`` [kPa] are the reference state (273 K: of a text that has
    0 degC as 273 K throughout); ``standard`` and ``dry`` say whether values are converted to it
    (else only where a limit's ``basis`` asks). ``oxygen``: the reference oxygen [%], "limit" where
    each limit names its own; ``air`` is the oxygen in air, ``oxygen_cap`` counts for what is
    measured above. ``co2`` [%] is the reference CO2 instead.
    """

    temperature: Positive = 273.15
    pressure: Positive = 101.325
    standard: bool = False
    dry: bool = False
    oxygen: Annotated[float | str, PlainValidator(reference_oxygen)] | None = None
    air: Annotated[float, Field(ge=20.9, le=21)] = 21.0
    oxygen_cap: Annotated[float, Field(gt=0, lt=20.9)] | None = None
    co2: Annotated[float, Field(gt=0, le=100)] | None = None
    co2_floor: Annotated[float, Field(gt=0, le=100)] | None = None
    molar_volume: Positive | None = None
    molar_masses: dict[Substance, Positive] = Field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse two references at once."""
        if self.oxygen is not None and self.co2 is not None:
            raise ValueError("a reference oxygen and a reference CO2: one of them")


@dataclass(config=STRICT, slots=True)
class ValidityRules:
    """What makes a short-term average, a day and a month valid; None: no such rule."""

    coverage: Share = "2/3"
    quadrants: bool = False
    invalid_parts_a_day: Count | None = None
    valid_parts_a_day: Count | None = None
    valid_days_a_month: Count | None = None
    valid_days_in_february: Count | None = None


@dataclass(config=STRICT, slots=True)
class Uncertainty:
    """What is subtracted from a short-term average before it is compared.

    ``limit``: a share of the limit; ``value``: of the average, at most of the limit;
    ``calibration``: what the channel's newest calibration states (nothing where none does).
    ``small_limits``: where the limit is below, the share is of ``factor`` x the limit.
    """

    method: Literal["none", "limit", "value", "calibration"] = "none"
    shares: dict[Substance, Share] = Field(default_factory=dict)
    small_limits: dict[Substance, SmallLimit] = Field(default_factory=dict)


@dataclass(config=STRICT, slots=True)
class SmallLimit:
    """A limit ``below`` which an uncertainty is a share of ``factor`` x the limit."""

    below: Positive
    factor: Factor


@dataclass(config=STRICT, slots=True)
class Substitutes:
    """Fixed values for what was not measured; a value that rests on one is marked.

    ``temperature`` in degC, ``pressure`` in kPa (absolute), ``h2o``, ``o2``, ``co2`` in %, ``flow``
    in m3/h at the state that the channel measures it in.
    """

    temperature: Annotated[float, Field(gt=-273, lt=2000)] | None = None
    pressure: Positive | None = None
    h2o: Percent | None = None
    o2: Percent | None = None
    co2: Percent | None = None
    flow: Positive | None = None


@dataclass(config=STRICT, slots=True)
class Potentials:
    """The last tier of "part75" for each quantity that a mass is made of.

    ``concentration`` and ``flow``: the highest, each in the unit of its channel; ``h2o`` and
    ``o2``: the lowest, in % (of the moisture that a wet concentration is divided by the highest).
    """

    concentration: Positive | None = None
    flow: Positive | None = None
    h2o: Percent | None = None
    o2: Percent | None = None


@dataclass(config=STRICT, slots=True)
class Classes:
    """So many equal classes, up to ``top`` x the limit, in which averages are counted."""

    number: Annotated[int, Field(ge=1, le=100)]
    top: Factor = "1"


@dataclass(config=STRICT, slots=True, eq=False)
class Condition:
    """One condition that a limit must meet.

    ``average``: what is judged, "limit" for the average that the limit names. ``value``: "limit",
    or "own" where the permit gives a figure of its own for it (in the limit's ``values``); without
    one the condition is not judged. ``optional``: only judged where the limit's ``conditions``
    names it. ``reached``: to reach the threshold is to break it, where others say "exceed".
    ``substances``, ``except``: those that it is for, and is not for. ``of``: see
    ``alerts.core.rules.Rule``; of abatement_failure ``at_most`` and ``at_most_in_a_row`` are hours.
    ``classes``: its means are counted in classes as well.
    ``bound`` [mg/m3] divides failure_up_to from failure_above: they are for limits in mg/m3.
    """

    id: ConditionId
    says: Text
    clause: Text
    statistic: Literal["mean", "share", "count", "total"]
    average: Window
    verified: bool = True
    short_term: Annotated[str, AfterValidator(check_short_term)] | None = None
    factor: Factor = "1"
    reached: bool = False
    value: Literal["limit", "own"] = "limit"
    rolling: bool = False
    per: Annotated[str, AfterValidator(check_per)] | None = None
    rolling_per: bool = False
    share: Share | None = None
    of: Literal[
        "exceeding", "invalid_days", "out_of_calibration", "abatement_failure", "calibration_weeks",
        "special_class", "failure_up_to", "failure_above",
    ] = "exceeding"  # fmt: skip
    at_most: Count | None = None
    at_most_in_a_row: Count | None = None
    bound: Positive | None = None
    geometric: bool = False
    optional: bool = False
    substances: list[Substance] | None = None
    except_: Annotated[list[Substance] | None, Field(alias="except")] = None
    leaves_out: list[IdleCode] | None = None
    coverage: Share | None = None
    classes: Classes | None = None
    group: ConditionId | None = None
    alert: bool = True

    def __post_init__(self) -> None:
        """Refuse a condition that cannot be judged."""
        check_condition(self)


@dataclass(config=STRICT, slots=True, eq=False)
class RuleVersion:
    """A rule set as it applies from a day on, until the next version's.

    ``short_term``: the averages that longer ones are made of, "limit" for the limit's own average.
    ``normalise``: "each" value before it is averaged, or the "short_term" average. ``counts``: the
    statuses whose values enter averages beside ``valid`` ones; ``uncorrected``: those of them whose
    values are not brought to the reference oxygen or CO2; ``leaves_out``: those that are no normal
    operation, which an average need not cover. ``decimals``: averages are rounded to so many
    before they are compared. ``label`` tells by which end a period is named. ``unverified`` names
    settings that are from memory. ``substitution``: how missing short-term averages are filled
    before longer ones are made of them; ``potential`` is the maximum potential value (in the
    limit's unit, of amounts in kg/h), the last tier of "part75"; ``potentials`` those of what a
    mass is made of, where concentration and flow are filled apart.
    """

    from_: Annotated[Day, Field(alias="from")]
    conditions: Annotated[list[Condition], Field(min_length=1)]
    basis: Reference = Field(default_factory=Reference)
    normalise: Literal["each", "short_term"] = "each"
    short_term: Annotated[str, AfterValidator(check_short_term)] = LIMIT_AVERAGE
    validity: ValidityRules = Field(default_factory=ValidityRules)
    counts: list[StatusCode] = Field(default_factory=list)
    uncorrected: list[StatusCode] = Field(default_factory=list)
    leaves_out: list[IdleCode] = Field(default_factory=list)
    uncertainty: Uncertainty = Field(default_factory=Uncertainty)
    substitutes: Substitutes = Field(default_factory=Substitutes)
    decimals: Annotated[int, Field(ge=0, le=9)] | None = None
    label: Literal["start", "end"] = "start"
    substitution: Literal["none", "neighbours", "maximum", "mean_two_sigma", "part75"] = "none"
    potential: Positive | None = None
    potentials: Potentials | None = None
    unverified: list[Text] = Field(default_factory=list)

    def __post_init__(self) -> None:
        """Refuse a condition's id that is there twice."""
        ids = [condition.id for condition in self.conditions]
        for number, name in enumerate(ids):
            if name in ids[:number]:
                raise ValueError(f'the condition "{name}" is there twice')
        check_version(self)


@dataclass(config=STRICT, slots=True)
class RuleSet:
    """How limits of one law, standard or practice are judged."""

    id: Id
    title: Annotated[
        dict[Annotated[str, Field(pattern=LANGUAGE_PATTERN)], Text], Field(min_length=1)
    ]
    sources: Annotated[list[Text], Field(min_length=1)]
    versions: Annotated[list[RuleVersion], Field(min_length=1)]
    note: Annotated[str, Field(max_length=4000)] | None = None

    def __post_init__(self) -> None:
        """Refuse versions that are not in order of their days."""
        days = [parse_day(version.from_) for version in self.versions]
        for earlier, later in pairwise(days):
            if later <= earlier:
                raise ValueError(f"the version from {later} must stand before that from {earlier}")


RULE_SET: TypeAdapter[RuleSet] = TypeAdapter(RuleSet)
RULE_VERSION: TypeAdapter[RuleVersion] = TypeAdapter(RuleVersion)
