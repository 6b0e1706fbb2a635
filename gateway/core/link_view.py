"""Links as people see them. Fulfils `core.faces_north.LinksFace`."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.core.link_trails import LinkTrails
from gateway.core.links import Links
from gateway.core.rights import in_scope, require_role
from gateway.model.kit import LinkTrail
from gateway.model.link import Link
from gateway.model.principal import Principal, Role


class LinkView:
    def __init__(self, gateway: str, links: Links, trails: LinkTrails) -> None:
        self._gateway = gateway
        self._links = links
        self._trails = trails

    def links(self, who: Principal) -> Sequence[Link]:
        require_role(who, Role.VIEWER, "see the links")
        return [link for link in self._links.view() if in_scope(who, f"{self._gateway}/{link.name}")]

    async def trails(self, who: Principal, hours: float, points: int) -> Sequence[LinkTrail]:
        seen = {link.name[:24] for link in self.links(who)}
        found = await self._trails.trails(self._gateway, hours, points)
        return [trail for trail in found if trail.name in seen]
