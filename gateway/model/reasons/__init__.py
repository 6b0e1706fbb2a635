"""The words of every reason, one file a field; `gateway.model.reason` puts them together."""
