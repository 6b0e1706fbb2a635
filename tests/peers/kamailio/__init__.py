"""Kamailio as the center's server: a configuration written for each test, and the process that runs it."""
