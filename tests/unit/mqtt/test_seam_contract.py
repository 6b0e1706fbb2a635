"""The private names of aiomqtt and paho that seam.py uses are what it takes them for."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version

import aiomqtt
import paho.mqtt.client as paho

from adapters.mqtt import seam


def test_the_pinned_versions() -> None:
    assert (version("aiomqtt"), version("paho-mqtt")) == ("2.5.1", "2.2.0")


def test_paho_makes_its_socket_in_one_place_and_reads_one_packet_at_a_time() -> None:
    source = inspect.getsource(paho.Client.reconnect)
    assert "self._sock = self._create_socket()" in source and "setblocking(False)" in source
    reading = inspect.getsource(paho.Client._packet_read)
    assert "except BlockingIOError" in reading and "except OSError" in reading
    assert "len(command) == 0" in reading, "how it hears that the broker hung up"
    assert "sock.close()" in inspect.getsource(paho.Client._sock_close)


def test_paho_hands_all_that_it_writes_to_the_socket_and_asks_to_be_called_for_it() -> None:
    assert "self._call_socket_register_write()" in inspect.getsource(paho.Client._packet_queue)
    assert "self._sock_send(" in inspect.getsource(paho.Client._packet_write)


async def test_private_names_are_few() -> None:
    """Of paho one: where it makes its socket. Of aiomqtt what it keeps of its connection."""
    source = inspect.getsource(seam)
    assert set(re.findall(r"client\.(_[a-z]\w*)", source)) == {"_create_socket"}
    named = set(re.findall(r"self\.(_[a-z]\w*)", source)) - set(vars(seam.Link)) - {"_client"}
    theirs = named & set(vars(aiomqtt.Client("nowhere")))
    assert theirs == {"_connected", "_disconnected", "_keepalive", "_loop"}


async def test_aiomqtt_keeps_what_we_look_at() -> None:
    client = aiomqtt.Client("nowhere")
    assert isinstance(client._client, paho.Client)
    assert not client._connected.done() and not client._disconnected.done()
    for name in ("on_disconnect", "on_socket_open", "on_socket_close", "on_socket_register_write"):
        assert getattr(client._client, name) is not None
    entering = inspect.getsource(aiomqtt.Client.__aenter__)
    assert "run_in_executor" in entering, "why Link.greet exists"
    assert client._client.keepalive == client._keepalive == 60
