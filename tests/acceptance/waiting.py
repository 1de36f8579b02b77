"""Waiting until a server that runs has come to what a test expects of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.api import Api, Item
from tests.acceptance.recipient import Recipient
from tests.acceptance.server import PATIENCE, AmsServer, until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Where = tuple[AmsServer, Api, Recipient]  # a server, its API, the recipient of its notices


async def become(
    api: Api,
    route: str,
    condition: Callable[[list[Item]], object],
    patience: float = PATIENCE,
    **asked: str,
) -> list[Item]:
    """The items of a list, once they are as ``condition`` wants them."""
    last: list[Item] = []

    async def met() -> bool:
        last[:] = await api.items(route, **asked)
        return bool(condition(last))

    try:
        await until(met, f"{route} to be as expected", patience)
    except AssertionError as error:
        raise AssertionError(f"{error}; they are {last}") from None
    return last


async def seen(
    api: Api, condition: Callable[[list[Item]], object], patience: float = PATIENCE
) -> list[Item]:
    """The alerts, once they are as ``condition`` wants them."""
    return await become(api, "alerts", condition, patience)


async def told(hook: Recipient, alert: str, kinds: Sequence[str]) -> None:
    """Wait until an alert's notices are these, in this order."""

    async def received() -> bool:
        return hook.of(alert) == list(kinds)

    try:
        await until(received, f"notices {kinds}")
    except AssertionError as error:
        raise AssertionError(f"{error}; received {hook.of(alert)}") from None


async def counted(api: Api, **expected: int) -> None:
    """Wait until the ledger's readings of ams-1 are these, the others 0; they balance."""
    wanted = {"stored": 0, "duplicate": 0, "revised": 0, "quarantined": 0, **expected}
    wanted["received"] = sum(wanted.values())
    last: Item = {}

    async def met() -> bool:
        last.update((await api.ledger())["ams-1"]["readings"])
        return last == wanted

    try:
        await until(met, f"the ledger to say {wanted}")
    except AssertionError as error:
        raise AssertionError(f"{error}; it says {last}") from None
