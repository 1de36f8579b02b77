"""What each route may be asked."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from alerts.core.vocabulary import MINUTE
from console.parameters import (
    SOURCE,
    AlertId,
    ChannelQuery,
    EnterpriseQuery,
    Instant,
    Query,
    SourcePath,
    SpanQuery,
    Text,
    UnitQuery,
    Window,
)


class RegistryQuery(Query):
    """The registry as it was in force at a time."""

    at: Instant = Field(None, description="As in force then; now where it is not given.")


class EnterprisesQuery(EnterpriseQuery, RegistryQuery):
    """Questions to /enterprises."""


class SourcesQuery(EnterpriseQuery, RegistryQuery):
    """Questions to /sources."""

    source: SourcePath = SOURCE


class ChannelsQuery(ChannelQuery, RegistryQuery):
    """Questions to /channels and /limits."""


class RevisedQuery(Query):
    """What may have been otherwise before."""

    revisions: Literal["all", "current"] | None = Field(
        None, description="All revisions of each item, or the current one (default)."
    )
    as_known_at: Instant = Field(None, description="Only what had been known by then.")


class ReadingsQuery(ChannelQuery, SpanQuery, RevisedQuery):
    """Questions to /readings."""


class AveragesQuery(ChannelQuery, SpanQuery, RevisedQuery):
    """Questions to /averages."""

    window: Window = Field(20 * MINUTE, description="Length of the mean.")
    kind: Literal["block", "rolling"] | None = Field(
        None,
        description="Aligned blocks as stored (default), or rolling means computed when asked: "
        "one each minute for windows up to 1h, every 20 minutes beyond.",
    )
    basis: str = Field(
        "",
        description="What is computed of the channels, as /limits names it: blocks of that. "
        "As measured where it is not given.",
    )


class ReportedQuery(ChannelQuery, SpanQuery):
    """Questions to /reported."""

    window: Window | None = Field(None, description="Only means of this length.")
    revisions: Literal["all", "current"] | None = Field(
        None, description="All revisions of each mean, or the current one (default)."
    )


class JudgementsQuery(ChannelQuery, SpanQuery, RevisedQuery):
    """Questions to /judgements."""

    window: Window | None = Field(None, description="Only limits on means of this length.")


class AlertsQuery(ChannelQuery, SpanQuery):
    """Questions to /alerts."""

    state: Literal["pending", "open", "resolved", "withdrawn"] | None = None
    severity: Literal["warning", "exceedance"] | None = None
    kind: Literal["limit", "forecast", "disagreement"] | None = Field(
        None, description="All kinds where it is not given."
    )


class NoticesQuery(ChannelQuery, SpanQuery):
    """Questions to /notices."""

    outcome: Literal["waiting", "delivered", "expired"] | None = None
    recipient: Text = None
    alert: AlertId = None


class InvalidationsQuery(ChannelQuery, SpanQuery):
    """Questions to /invalidations."""

    state: Literal["waiting", "done", "restoring", "restored"] | None = None


class LedgerQuery(UnitQuery, SpanQuery):
    """Questions to /ledger."""


class QuarantineQuery(UnitQuery, SpanQuery):
    """Questions to /quarantine."""

    state: Literal["waiting", "retrying", "stored"] | None = None
