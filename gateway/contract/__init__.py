"""What an adapter sees of the gateway: Protocols only. `gateway.core` implements them; `daemon` puts them together."""
