"""Delivers the notices of the outbox to their recipients' webhooks.

At least once, under the same id, in order for each alert and recipient. The outbox is the
database's and comes as callables; in memory is one page of notices a recipient.
"""

from alerts.delivery.delivery import Delivery
from alerts.delivery.outbox import Heads, Outbox, Policy, Record, Waiting

__all__ = ["Delivery", "Heads", "Outbox", "Policy", "Record", "Waiting"]
