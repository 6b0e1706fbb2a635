"""Meshes: whoever reads one tells its snapshots here."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

from gateway.model.mesh import MeshSnapshot


class MeshSeat(Protocol):
    def tell(self, snapshot: MeshSnapshot) -> None:
        """How the mesh is from now on. Cheap; a change of its topology goes out at once, figures once a second."""


class Meshes(Protocol):
    """On the event loop only."""

    def offer(self, mesh: str, title: str) -> AbstractContextManager[MeshSeat]:
        """A mesh of this name (a slug) is read until the context is left. Raises Busy (`mesh-taken`)."""
