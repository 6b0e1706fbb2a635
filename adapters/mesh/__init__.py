"""Mesh radios: who is in the mesh, and who hears whom how well."""

from adapters.mesh.adapter import Mesh

__all__ = ["Mesh"]
