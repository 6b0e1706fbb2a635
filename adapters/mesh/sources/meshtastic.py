"""Meshtastic at an MQTT broker. aiomqtt is loaded when the first such source runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time

from adapters.mesh.config import MeshtasticSource
from adapters.mesh.protocol.meshtastic import Meshtastic, channel_of
from adapters.mesh.sources.source import Show
from gateway.base.errors import LinkDown, RemoteProtocolError
from gateway.base.throttle import Throttle

log = logging.getLogger(__name__)

REPORT_S = 1.0
_QUEUE = 256
_REFUSED = ("not authori", "bad user", "refused: bad")


class _Once(logging.Filter):
    """What the client says with every message that finds no room is said once a second."""

    def __init__(self, broker: str) -> None:
        super().__init__()
        self._broker = broker
        self._throttle = Throttle(log)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.levelno >= logging.WARNING:
            self._throttle(self._broker, f"{self._broker}: {record.getMessage()[:200]}")
        return False


def _quiet(broker: str) -> logging.Logger:
    quiet = logging.Logger(f"{__name__}.client")
    quiet.addFilter(_Once(broker))
    return quiet


class MeshtasticReader:
    """What the mesh told stays over a broker that comes and goes: nodes speak seldom."""

    def __init__(self, config: MeshtasticSource) -> None:
        self._config = config
        self._mesh = Meshtastic()

    async def run(self, show: Show) -> None:
        import aiomqtt

        config = self._config
        client = aiomqtt.Client(
            config.host,
            config.port,
            username=config.user or None,
            password=config.password.get_secret_value() or None,
            tls_context=ssl.create_default_context() if config.tls else None,
            max_queued_incoming_messages=_QUEUE,
            logger=_quiet(f"{config.host}:{config.port}"),
            timeout=5.0,
        )
        try:
            async with client:
                await client.subscribe(config.topic)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(client, show))
                    tasks.create_task(self._show(show))
        except* aiomqtt.MqttError as group:
            text = str(group.exceptions[0])
            code = "mesh-denied" if any(word in text.lower() for word in _REFUSED) else "mesh-silent"
            raise LinkDown(f"{config.host}:{config.port}: {text[:200]}", code=code) from None

    async def _listen(self, client: object, show: Show) -> None:
        async for message in client.messages:  # type: ignore[attr-defined]
            payload = message.payload
            if not isinstance(payload, bytes):
                continue
            try:
                placed = self._mesh.receive(payload, time.monotonic(), time.time(), channel_of(str(message.topic)))
            except RemoteProtocolError:
                continue  # anything may be published below that topic
            show.texts(tuple(self._mesh.texts))
            if placed is not None:
                show.placed(placed)

    async def _show(self, show: Show) -> None:
        while True:
            show.report(self._mesh.report(time.monotonic()))
            await asyncio.sleep(REPORT_S)
