"""A simulated control ball (布控球): a GB/T 28181 device in a process of its own. Imported by the command line only."""
