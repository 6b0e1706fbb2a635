"""Probes by each link, answers to them, routes for links, and the end of connections by one that is dead."""
