"""The gateway's face to people and programs: HTTPS, WebSocket events, sign-in, and the console."""
