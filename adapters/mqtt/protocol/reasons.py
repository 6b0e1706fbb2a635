"""What the reason codes of MQTT 5 (§2.4) mean, for people."""

from __future__ import annotations

WORDS = {
    0x00: "that all is well",
    0x80: "that something is wrong",
    0x81: "that a packet is malformed",
    0x82: "that we break the protocol",
    0x83: "that it will not, for reasons of its own",
    0x84: "that it does not speak this version of MQTT",
    0x85: "that this client identifier is not allowed",
    0x86: "that user name or password is wrong",
    0x87: "that we have no right to it",
    0x88: "that it can not serve now",
    0x89: "that it is busy",
    0x8A: "that we are banned",
    0x8B: "that it is shutting down",
    0x8C: "that it wants another way to sign in",
    0x8D: "that nothing came from us for too long",
    0x8E: "that another client has our identifier now",
    0x8F: "that a topic filter is wrong",
    0x90: "that a topic name is wrong",
    0x93: "that too many messages wait for it",
    0x94: "that a topic alias is wrong",
    0x95: "that a packet is too large",
    0x96: "that we send too much",
    0x97: "that a quota is used up",
    0x98: "that an operator ended it",
    0x99: "that the payload has another format",
    0x9A: "that it retains nothing",
    0x9B: "that it does not have this QoS",
    0x9C: "that another server is to be used",
    0x9D: "that the server has moved",
    0x9F: "that too many connect at once",
    0xA0: "that we may be connected for so long only",
}


def words(reason: int) -> str:
    return f"{WORDS.get(reason, 'what this build does not know')} ({reason:#04x})"
