"""The private names of aiomqtt and paho that seam.py uses are what it takes them for."""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version

import aiomqtt
import paho.mqtt.client as paho

from adapters.mqtt import client as ours
from adapters.mqtt import seam


def test_the_pinned_versions() -> None:
    assert (version("aiomqtt"), version("paho-mqtt")) == ("2.5.1", "2.2.0")


def test_paho_makes_its_socket_in_one_place_and_reads_one_packet_at_a_time() -> None:
    source = inspect.getsource(paho.Client.reconnect)
    assert "self._sock = self._create_socket()" in source and "setblocking(False)" in source
    reading = inspect.getsource(paho.Client._packet_read)
    assert "except BlockingIOError" in reading and "rc = self._packet_handle()" in reading
    assert "sock.close()" in inspect.getsource(paho.Client._sock_close)


def test_paho_writes_at_once_where_nobody_watches_its_socket() -> None:
    source = inspect.getsource(paho.Client._packet_queue)
    assert "self._on_socket_register_write is None" in source and "return self.loop_write()" in source
    assert "self._sock_send(" in inspect.getsource(paho.Client._packet_write)


async def test_private_names_are_few() -> None:
    """Of paho one: where it makes its socket. Of aiomqtt what it keeps of its connection."""
    source = inspect.getsource(seam)
    assert set(re.findall(r"client\.(_[a-z]\w*)", source)) == {"_create_socket"}
    named = set(re.findall(r"self\.(_[a-z]\w*)", source)) - set(vars(seam.Greeter))
    theirs = named & set(vars(aiomqtt.Client("nowhere")))
    assert theirs == {"_client", "_connected", "_disconnected", "_keepalive"}
    mine = {"_five", "_stand_in"}
    assert named - theirs == mine
    added = mine | {name for name in vars(seam.Greeter) if not name.startswith("__")}
    assert not added & set(dir(aiomqtt.Client("nowhere"))), "none of ours takes the place of one of theirs"


async def test_aiomqtt_keeps_what_we_look_at() -> None:
    client = aiomqtt.Client("nowhere")
    assert isinstance(client._client, paho.Client)
    assert not client._connected.done() and not client._disconnected.done()
    for name in ("on_connect", "on_disconnect", "on_socket_open", "on_socket_close", "on_socket_register_write"):
        assert getattr(client._client, name) is not None
    assert "run_in_executor" in inspect.getsource(aiomqtt.Client.__aenter__), "why Greeter.hello exists"
    assert client._client.keepalive == client._keepalive == 60


def test_a_connection_is_begun_and_ended_by_aiomqtt() -> None:
    assert issubclass(seam.Greeter, aiomqtt.Client)
    source = inspect.getsource(ours.Client)
    for word in ("Greeter(hello", ".hello()", ".answered(", ".ended(", ".goodbye()"):
        assert word in source
