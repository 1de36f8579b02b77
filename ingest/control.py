"""The second connection to the broker: what units say of themselves, and receipts for them.

Nothing of it may hold up the readings: it has its own connection, its failures end there, and the
rate of receipts is bounded.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Self

import structlog

from ingest.backoff import Backoff
from ingest.broker_url import BrokerUrl
from ingest.link import wall_clock
from ingest.mqtt_client import Client, Message, MqttError
from ingest.receipts import Receipt, Receipts

if TYPE_CHECKING:
    import ssl

log = structlog.get_logger(__name__)

STATUS_FILTER = "ams/v1/+/+/status"
MAX_STATUS = 65_536  # bytes; a status has three short fields
MAX_UNITS = 100_000  # whose status may wait to be handled
PACE = 0.002  # seconds between two receipts: 500 a second cost a few percent of a core
REFUSED = 0x80  # and above, in a SUBACK

OnStatus = Callable[[str, str, bytes, int], Awaitable[None]]


class NewestByTopic(asyncio.Queue[Message]):
    """A queue in which a newer message takes the place of a waiting one of its topic.

    When as many topics wait as it holds, the message of a further one is lost: it is retained at
    the broker and comes again with the next connection.
    """

    def _init(self, maxsize: int) -> None:  # noqa: ARG002 - asyncio.Queue keeps the bound itself
        self._queue: dict[str, Message] = {}

    def _put(self, item: Message) -> None:
        self._queue[str(item.topic)] = item

    def _get(self) -> Message:
        return self._queue.pop(next(iter(self._queue)))


class Control:
    """Calls `on_status(enterprise, unit, payload, received_at)` and publishes receipts.

    `on_status` hears the retained status of every unit after each connect, and each change after
    that, the unit's last will included; a unit that changes faster than it is heard, by its newest
    status only. An empty payload: the status was removed. An exception of it is logged, and that
    status skipped. `last_error` is "" while connected.
    """

    def __init__(
        self,
        broker: BrokerUrl,
        client_id: str,
        on_status: OnStatus,
        *,
        clock: Callable[[], int] = wall_clock,
    ) -> None:
        self._broker = broker
        self._client_id = f"{client_id}-control"
        self._on_status = on_status
        self._clock = clock
        self._tls: ssl.SSLContext | None = None
        self._receipts = Receipts()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._leaving = False  # aiomqtt may swallow a cancellation (asyncio.wait_for, Python 3.11)
        self.connected = False
        self.last_error = "not connected yet"

    async def __aenter__(self) -> Self:
        self._tls = await asyncio.to_thread(self._broker.ssl_context)
        self._task = asyncio.create_task(self._run(), name="broker control")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._task is not None:
            self._leaving = True
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def receipt(self, enterprise: str, unit: str, boot: str, seq: int, time_us: int) -> None:
        """Every message of the boot up to `seq` is committed; cheap, and never waits.

        Published retained, at most every 5 s for a unit and only when boot or seq changed; of
        several the newest.
        """
        self._receipts.put((enterprise, unit), Receipt(boot, seq, time_us), _now())
        self._changed.set()

    async def _run(self) -> None:
        backoff = Backoff()
        while not self._leaving:
            began = _now()
            try:
                await self._converse()
            except* (MqttError, OSError, ValueError) as errors:
                self.last_error = f"{self._broker}: {_first(errors)}"
            finally:
                self.connected = False
            log.warning("broker control", error=self.last_error)
            await asyncio.sleep(backoff.next(_now() - began))

    async def _converse(self) -> None:
        """One connection, from beginning to end."""
        async with Client(
            self._broker.host,
            self._broker.port,
            username=self._broker.username,
            password=self._broker.password,
            identifier=self._client_id,
            clean_session=True,  # a status is retained: no session need keep it
            keepalive=30,
            tls_context=self._tls,
            queue_type=NewestByTopic,
            max_queued_incoming_messages=MAX_UNITS,
        ) as client:
            granted = await client.subscribe(STATUS_FILTER, qos=1)
            if any(code >= REFUSED for code in granted):
                raise MqttError(f"the broker refuses the subscription to {STATUS_FILTER}")
            self._receipts.all_again(_now())
            self.connected = True
            self.last_error = ""
            if self._leaving:
                return
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(client))
                tasks.create_task(self._publish(client))

    async def _listen(self, client: Client) -> None:
        async for message in client.messages:
            payload = message.payload
            _, _, enterprise, unit, _ = str(message.topic).split("/")
            if not isinstance(payload, bytes) or len(payload) > MAX_STATUS:
                log.warning("status too long, ignored", enterprise=enterprise, unit=unit)
                continue
            try:
                await self._on_status(enterprise, unit, payload, self._clock())
            except Exception as error:  # noqa: BLE001 - whatever it is, receipts must go on
                log.warning(
                    "status not handled", enterprise=enterprise, unit=unit, error=repr(error)
                )

    async def _publish(self, client: Client) -> None:
        while not self._leaving:
            due = self._receipts.next(_now())
            if due is None:
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout_at(self._receipts.next_at()):
                        await self._changed.wait()
                continue
            (enterprise, unit), receipt = due
            topic = f"ams/v1/{enterprise}/{unit}/receipt"
            await client.publish(topic, receipt.payload(), qos=1, retain=True)
            self._receipts.sent((enterprise, unit), receipt, _now())
            await asyncio.sleep(PACE)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _first(errors: BaseExceptionGroup[BaseException]) -> str:
    """The first of the errors, in words."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__
