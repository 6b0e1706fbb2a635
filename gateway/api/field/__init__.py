"""The field team's page: `/field`."""
