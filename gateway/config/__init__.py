"""The configuration: pydantic models, TOML, errors that name the key and say the cure."""
