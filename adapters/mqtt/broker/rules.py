"""amqtt's questions, answered: who may come in, and who may publish and read what.

The identity was settled by the door before amqtt saw the connection: it travels as the session's TLS object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from adapters.mqtt.protocol import acl


@dataclass(frozen=True, slots=True)
class Identity:
    """Of a connection: the name in its certificate. `center`: it may read and order all kits."""

    name: str
    center: bool = False
    serial: int = 0
    address: str = ""


class Admission(BaseAuthPlugin):  # type: ignore[misc]
    """Nobody is anonymous: a session's identifier is the name in its certificate, else it is not let in."""

    async def authenticate(self, *, session: Session) -> bool:
        identity: Any = session.ssl_object
        return isinstance(identity, Identity) and session.client_id == identity.name

    @dataclass
    class Config:
        """Nothing to set."""


class Rights(BaseTopicPlugin):  # type: ignore[misc]
    """A kit its own topics, a center those of all: `adapters.mqtt.protocol.acl`."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        identity: Any = session.ssl_object if session is not None else None
        if not isinstance(identity, Identity) or topic is None:
            return False
        if action == Action.PUBLISH:
            return acl.may_publish(identity.name, identity.center, topic)
        return acl.may_read(identity.name, identity.center, topic)

    @dataclass
    class Config:
        """Nothing to set."""
