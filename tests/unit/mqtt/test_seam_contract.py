"""The private names of aiomqtt and paho that seam.py uses are what it takes them for."""

from __future__ import annotations

import inspect
from importlib.metadata import version

import aiomqtt
import paho.mqtt.client as paho


def test_the_pinned_versions() -> None:
    assert (version("aiomqtt"), version("paho-mqtt")) == ("2.5.1", "2.2.0")


def test_paho_makes_its_socket_in_one_place_and_asks_for_the_rest_of_a_packet_at_once() -> None:
    source = inspect.getsource(paho.Client.reconnect)
    assert "self._sock = self._create_socket()" in source and "setblocking(False)" in source
    reading = inspect.getsource(paho.Client._packet_read)
    assert "self._sock_recv(self._in_packet['to_process'])" in reading
    assert "except OSError" in reading
    assert "sock.close()" in inspect.getsource(paho.Client._sock_close)


def test_paho_acknowledges_after_the_callback_and_not_when_it_raises() -> None:
    handling = inspect.getsource(paho.Client._handle_publish)
    assert handling.index("self._handle_on_message(message)") < handling.index("self._send_puback(message.mid)")
    assert 'self._in_packet["command"], self._in_packet["packet"]' in handling
    assert "return self._handle_publish()" in inspect.getsource(paho.Client._packet_handle)


async def test_aiomqtt_keeps_what_we_look_at() -> None:
    client = aiomqtt.Client("nowhere")
    assert isinstance(client._client, paho.Client)
    assert not client._connected.done() and not client._disconnected.done()
    for name in ("on_disconnect", "on_socket_open", "on_socket_close", "on_socket_register_write"):
        assert getattr(client._client, name) is not None
    entering = inspect.getsource(aiomqtt.Client.__aenter__)
    assert "run_in_executor" in entering, "why Link.greet exists"
    opened = inspect.getsource(aiomqtt.Client._on_socket_open)
    assert "client.loop_read()" in opened and "self._misc_loop()" in opened
    assert "call_soon_threadsafe(self._loop.add_writer" in inspect.getsource(aiomqtt.Client._on_socket_register_write)


async def test_paho_sends_a_packet_that_it_is_given_and_hands_on_what_acknowledges_it() -> None:
    client = aiomqtt.Client("nowhere")._client
    assert list(inspect.signature(client._packet_queue).parameters)[:4] == ["command", "packet", "mid", "qos"]
    assert isinstance(client._mid_generate(), int)
    handling = inspect.getsource(paho.Client._packet_handle)
    assert 'return self._handle_pubackcomp("PUBACK")' in handling
    writing = inspect.getsource(paho.Client._packet_write)
    assert "== PUBLISH and packet['qos'] == 0" in writing, "with QoS 1 nobody asks for the message's info"
