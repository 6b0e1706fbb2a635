"""What everything else may lean on: errors, log, clock, metrics, tasks. Imports nothing of ours."""
