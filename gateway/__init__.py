"""Fieldgate: an open converged field-communications gateway."""

__version__ = "0.1.0"
