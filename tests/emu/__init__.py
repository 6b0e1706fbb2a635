"""Emulated bad links between network namespaces; see README.md."""
