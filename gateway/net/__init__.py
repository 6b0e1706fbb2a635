"""asyncio endpoints for the protocols of `gateway.wire`: sockets and timers, no protocol decisions."""
