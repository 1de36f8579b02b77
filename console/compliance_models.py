"""What the API answers of compliance and budgets, as models."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations at run time
from typing import Literal

from pydantic import Field

from console.models import Model

State = Literal["compliant", "exceeded", "not_assessable"]


class Compliance(Model):
    """What a condition of a limit's rule set is judged to be over one period."""

    enterprise: str
    source: str
    channel: str
    basis: str | None = Field(description="What the value is made of the measured one; null: it.")
    permit: str
    rules: str = Field(description="The rule set.")
    version: str = Field(description="The rule set's.")
    condition: str
    clause: str = Field(description="The text of law that the condition stands in.")
    verified: bool = Field(description="Whether that clause was read in its source.")
    statistic: Literal["mean", "share", "count", "total"]
    average: str
    per: str | None = Field(description="The period that parts are counted in.")
    group: str | None = Field(description="Conditions of which one is enough share a group.")
    start: datetime
    end: datetime
    label: datetime = Field(description="Start or end: what the rule set calls the period by.")
    value: float | None = Field(
        description="Mean, mass, share of parts that comply, number or hours."
    )
    raw: float | None = Field(
        description="The mean before its uncertainty was subtracted; of failures the event that "
        "lasts, in hours."
    )
    state: State = Field(description="Of alternatives: what they are together.")
    alone: State = Field(description="The condition by itself.")
    limit: float
    factor: str = Field(description="Factor x limit is the most that is allowed.")
    uom: str
    limit_version: int
    valid: int = Field(description="Parts that count.")
    expected: int = Field(description="Parts in operation while the limit was in force.")
    exceeding: int | None
    allowed: int | None
    left: int | None = Field(description="How many more may exceed; below zero: so many too many.")
    substituted: int = Field(
        description="Averages that rest on a substitute, for a part of them or as a whole."
    )
    methods: dict[str, int] = Field(
        description="How many were filled as a whole, by method: two digits as in 40 CFR 75, 101 "
        "the mean and two deviations. Of a mass whose concentration and flow are filled apart, how "
        "many of either."
    )
    replaced: float | None = Field(description="What of a mass rests on substitutes.")
    estimate: float | None = Field(
        description="Beside a mass: what the hours of which nothing is known would have made."
    )
    complete: float | None = Field(
        description="Share of the expected parts that is valid and measured."
    )
    over: bool = Field(description="False: the period goes on, this is as far as it is known.")
    until: datetime | None = Field(description="As of when the figures of a running period are.")
    rest_may_average: float | None = Field(
        description="What the rest may average so that the limit is kept; below zero: it cannot."
    )
    forecast: float | None = Field(description="What it will come to at the present rate.")
    breaks_at: datetime | None = Field(description="When that breaks the condition.")
    known_at: datetime = Field(description="When this revision was stored.")
    revision: int


class FrequencyClass(Model):
    """A class and how many averages lie in it."""

    above: float | None = Field(description="Null: the first, which holds zero and less as well.")
    up_to: float
    count: int


class Classes(Model):
    """The frequency classes of a calendar year, of one version of a limit."""

    enterprise: str
    source: str
    channel: str
    basis: str | None
    permit: str
    rules: str
    version: str
    condition: str
    average: str
    limit: float
    uom: str = Field(description="Of the limit and the classes.")
    limit_version: int
    start: datetime = Field(description="When the year begins in the reporting zone.")
    end: datetime
    classes: list[FrequencyClass]
    beyond: int = Field(description="How many lie above the last class.")
    not_assessable: int = Field(description="How many had too few values, and lie in none.")


class Budget(Model):
    """A running mean or mass, and what its rest may do."""

    enterprise: str
    source: str
    channel: str
    basis: str | None
    permit: str
    rules: str | None = Field(description="Null: a limit without a rule set.")
    condition: str | None
    statistic: Literal["mean", "total"]
    average: str
    uom: str
    limit_version: int
    start: datetime
    end: datetime
    until: datetime = Field(description="As of when.")
    value: float | None = Field(description="So far: the mean, or tonnes.")
    complete: float | None = Field(description="How much of the time so far is known.")
    limit: float | None
    rest_may_average: float | None = Field(
        description="What the rest may average so that the limit is kept; below zero: it cannot."
    )
    rest_uom: str
    forecast: float | None
    breaks_at: datetime | None
