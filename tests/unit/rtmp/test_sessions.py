"""Dialogues of our two sides in memory, and what other programs say."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.rtmp.protocol import amf
from adapters.rtmp.protocol import client as c
from adapters.rtmp.protocol import messages as m
from adapters.rtmp.protocol import server as s
from gateway.base.errors import RemoteProtocolError


class Dialogue:
    """A client of ours and a server of ours; what each told its owner."""

    def __init__(self, client: c.ClientSession) -> None:
        self.client = client
        self.server = s.ServerSession()
        self.heard: list[Any] = []

    def talk(self) -> None:
        """Until neither has anything to say."""
        while True:
            out = self.client.data_to_send()
            for one in out:
                if one.type_id in (m.COMMAND, m.DATA, m.USER_CONTROL):
                    self.heard += self.server.receive(one.type_id, one.stream_id, one.data)
            back = self.server.data_to_send()
            for one in back:
                if one.type_id in (m.COMMAND, m.DATA, m.USER_CONTROL):
                    self.heard += self.client.receive(one.type_id, one.stream_id, one.data)
            if not out and not back:
                return


def a_client(intent: Any = "publish", stream: str = "drone-1?key=x") -> c.ClientSession:
    return c.ClientSession(intent, app="live", stream=stream, tc_url="rtmp://gateway/live")


def test_publishing_from_hello_to_goodbye() -> None:
    d = Dialogue(a_client())
    d.client.begin()
    d.talk()
    connected, ready = d.heard
    assert isinstance(connected, s.Connected)
    assert (connected.app, connected.software) == ("live", c.SOFTWARE)
    assert "hvc1" in connected.takes
    assert ready == c.Ready(1)
    d.client.go({"width": 640.0})
    d.talk()
    assert d.heard[2:] == [s.Publish("drone-1?key=x", 1), s.Metadata({"width": 640.0})]
    d.server.accept()
    d.talk()
    assert d.heard[4:] == [c.Running()]
    d.client.leave()
    d.talk()
    assert s.Over() in d.heard[5:]


def test_playing_and_the_end_of_the_stream() -> None:
    d = Dialogue(a_client("play", "drone-1"))
    d.client.begin()
    d.talk()
    d.client.go()
    d.talk()
    assert d.heard[-1] == s.Play("drone-1", 1)
    d.server.accept({"width": 640.0})
    d.talk()
    assert d.heard[-1] == c.Running()
    d.server.end("publisher-gone", "nobody sends any more")
    d.talk()
    assert d.heard[-1] == c.Over("NetStream.Play.UnpublishNotify")
    assert d.client.state is c.State.OVER


@pytest.mark.parametrize(
    ("intent", "word"), [("publish", "NetStream.Publish.BadName"), ("play", "NetStream.Play.Failed")]
)
def test_a_refusal_is_told_in_words(intent: Any, word: str) -> None:
    d = Dialogue(a_client(intent))
    d.client.begin()
    d.talk()
    d.client.go()
    d.talk()
    d.server.refuse("push-taken", "somebody publishes already")
    d.talk()
    assert d.heard[-1] == c.Refused(word, "somebody publishes already (push-taken)")


def said(session: s.ServerSession) -> list[tuple[int, list[Any]]]:
    return [(o.type_id, amf.decode(o.data)) for o in session.data_to_send() if o.type_id in (m.COMMAND, m.DATA)]


def command(session: s.ServerSession, *values: Any, stream_id: int = 0, type_id: int = m.COMMAND) -> list[Any]:
    lead = b"\0" if type_id == m.COMMAND_AMF3 else b""
    return list(session.receive(type_id, stream_id, lead + amf.encode(*values)))


def test_what_obs_and_fmle_say_is_answered_in_their_order() -> None:
    session = s.ServerSession()
    software = "FMLE/3.0 (compatible; FMSc/1.0)"
    command(
        session, "connect", 1, {"app": "live/", "type": "nonprivate", "flashVer": software, "tcUrl": "rtmp://g/live"}
    )
    (connect,) = said(session)
    assert connect[1][:2] == ["_result", 1.0]
    assert connect[1][3]["code"] == "NetConnection.Connect.Success"
    command(session, "releaseStream", 2, None, "key")
    command(session, "FCPublish", 3, None, "key")
    command(session, "createStream", 4, None)
    command(session, "_checkbw", 5, None)
    assert [values[:2] for _, values in said(session)] == [
        ["_result", 2.0],
        ["_result", 3.0],
        ["onFCPublish", 0.0],
        ["_result", 4.0],
        ["_result", 5.0],
    ]
    assert command(session, "publish", 6, None, "key", "live", stream_id=1) == [s.Publish("key", 1)]
    with pytest.raises(RemoteProtocolError) as twice:
        command(session, "publish", 7, None, "other", "live", stream_id=1)
    assert twice.value.code == "rtmp-order"


def test_amf3_commands_and_a_missing_object_are_read() -> None:
    session = s.ServerSession()
    command(session, "connect", 1, {"app": "live", "objectEncoding": 3}, type_id=m.COMMAND_AMF3)
    ((_, result),) = said(session)
    assert result[3]["objectEncoding"] == 3.0
    assert command(session, "publish", 5, "drone-1", "live", stream_id=1) == [s.Publish("drone-1", 1)]


def test_the_application_may_stand_in_tcurl_alone() -> None:
    session = s.ServerSession()
    (connected,) = command(session, "connect", 1, {"tcUrl": "rtmp://10.0.0.1:1935/live/x"})
    assert connected.app == "live/x"


def test_pings_are_answered_and_the_players_questions_too() -> None:
    session = s.ServerSession()
    command(session, "connect", 1, {"app": "live", "fourCcList": ["*"]})
    session.data_to_send()
    session.receive(m.USER_CONTROL, 0, bytes((0, 6, 1, 2, 3, 4)))
    (pong,) = session.data_to_send()
    assert (pong.type_id, pong.data) == (m.USER_CONTROL, bytes((0, 7, 1, 2, 3, 4)))
    command(session, "getStreamLength", 3, None, "x")
    command(session, "pause", 0, None, True, 0)
    answers = said(session)
    assert answers[0][1] == ["_result", 3.0, None, 0.0]
    assert answers[1][1][3]["code"] == "NetStream.Pause.Notify"
    assert session.connected is not None
    assert session.connected.takes == {"*"}


@pytest.mark.parametrize(
    "before",
    [
        [("publish", 1, None, "x")],
        [("connect", 1, {"app": "a"}), ("connect", 2, {"app": "a"})],
        [("connect", 1, {"app": "a"}), *[("createStream", n, None) for n in range(2, 12)]],
    ],
)
def test_what_comes_out_of_order_ends_the_session(before: list[tuple[Any, ...]]) -> None:
    session = s.ServerSession()
    with pytest.raises(RemoteProtocolError) as refused:
        for values in before:
            command(session, *values)
    assert refused.value.code == "rtmp-order"


def test_a_servers_redirect_is_told() -> None:
    client = a_client("play")
    client.begin()
    info = {
        "level": "error",
        "code": "NetConnection.Connect.Rejected",
        "description": "go",
        "ex": {"redirect": "rtmp://b/c"},
    }
    (event,) = client.receive(m.COMMAND, 0, amf.encode("_error", 1, None, info))
    assert event == c.Refused("NetConnection.Connect.Rejected", "go", "rtmp://b/c")


def test_every_transition_is_one_of_the_table() -> None:
    assert set(c.TRANSITIONS) == set(c.State)
    assert all(to in c.State for row in c.TRANSITIONS.values() for to in row)
