"""Talk groups and calls that look alive, for working on the console without radios and phones. Not shipped."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace
from typing import Any

from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from aiortc.rtcconfiguration import RTCConfiguration
from pydantic_core import to_json

from gateway.api.mounts import Mounts
from gateway.contract.http import HttpRequest, HttpResponse
from gateway.model.command import Action, Command, CommandResult, Outcome
from gateway.model.voice import (
    CallState,
    CallStatus,
    Floor,
    FloorState,
    GroupId,
    GroupMode,
    GroupStatus,
    Member,
    MemberKind,
    MemberState,
    Priority,
    Spurt,
)

UP, OFF, RADIO = MemberState.UP, MemberState.OFFLINE, MemberKind.RADIO


def _members() -> tuple[Member, ...]:
    return (
        Member("sip:8001", MemberKind.SIP, "指挥中心 8001", UP, codec="opus", emergency=True),
        Member("kit1/radio-1/ch1", RADIO, "PDT 一号信道", UP, codec="usrp", level_in_db=-22.0),
        Member("kit1/ball-1/ch1", MemberKind.LOUDSPEAKER, "1号布控球 喇叭", UP, codec="pcma", may_talk=False),
        Member("kit1/radio-2/ch1", RADIO, "短波电台", OFF, "device-offline"),
        Member("browser:a1b2c3", MemberKind.BROWSER, "li", UP, muted=True, codec="opus"),
    )


class MockVoice:
    def __init__(self, services: Any) -> None:
        self.bus = services.bus
        now = time.time()
        ops, fire, conf = (GroupId(f"kit1/talk/{slug}") for slug in ("ops", "fire", "call-7"))
        holder = {"holder": "kit1/radio-1/ch1", "holder_name": "PDT 一号信道", "since": now - 12, "until": now + 18}
        self.groups = {
            ops: GroupStatus(ops, "现场指挥组", GroupMode.HALF, Floor(FloorState.TAKEN, **holder, queue=("sip:8001",)), _members(), "600"),
            fire: GroupStatus(fire, "消防通信组", GroupMode.HALF, Floor(FloorState.IDLE), _members()[:2], "601"),
            conf: GroupStatus(
                conf, "8002 ↔ 调度台", GroupMode.FULL, Floor(FloorState.OPEN), (Member("sip:8002", MemberKind.SIP, "8002", UP, talking=True),), adhoc=True
            ),
        }  # fmt: skip
        self.talking(ops, "kit1/radio-1/ch1")
        self.calls = {
            "c1": CallStatus("c1", "sip", True, CallState.RINGING_IN, "8003", "王队长", ops, started=now - 4),
            "c2": CallStatus("c2", "sip", True, CallState.UP, "8002", "消防值班", conf, started=now - 90, answered=now - 84, audio="opus", video="h264", secure="dtls"),
            "c3": CallStatus("c3", "sip", False, CallState.HELD, "01088886666", "", fire, "center", started=now - 300, answered=now - 290, audio="pcma"),
            "c4": CallStatus("c4", "sip", False, CallState.ENDED, "8009", "", ops, code="busy", started=now - 40, ended=now - 20),
        }  # fmt: skip
        names = [("kit1/radio-1/ch1", RADIO, "PDT 一号信道"), ("sip:8001", MemberKind.SIP, "指挥中心 8001"), ("browser:a1b2c3", MemberKind.BROWSER, "li")]
        self.spurts = [
            Spurt(f"s{n}", ops, *names[n % 3], Priority.NORMAL, n == 4, now - 30 - n * 31, now - 30 - n * 31 + 4 + n % 4 * 5, "timer" if n == 2 else "release")
            for n in range(9)
        ]
        self.sessions: dict[str, tuple[RTCPeerConnection, GroupId, str]] = {}
        execute = services.commands.execute

        async def ordered(command: Command) -> CommandResult:
            done = self.order(command)
            return await execute(command) if done is None else done

        services.commands.execute = ordered

    def talking(self, group: GroupId, member: str) -> None:
        status = self.groups[group]
        members = tuple(replace(one, talking=one.id == member) for one in status.members)
        self.groups[group] = replace(status, members=members)

    def tell(self, group: GroupId) -> None:
        self.bus.publish("talk", group, self.groups[group])

    def order(self, command: Command) -> CommandResult | None:
        group, args = GroupId(command.target), command.args
        if command.action is Action.TALK_REQUEST:
            status, me = self.groups[group], str(args["member"])
            if status.floor.holder == me:
                answer = "granted"
            elif status.floor.state is FloorState.IDLE or args.get("emergency"):
                urgent = bool(args.get("emergency"))
                floor = Floor(FloorState.TAKEN, me, command.actor.name, emergency=urgent, since=time.time())
                self.groups[group] = replace(status, floor=floor, emergency=urgent)
                self.talking(group, me)
                self.tell(group)
                answer = "granted"
            else:
                answer = "queued"
            return CommandResult(command.id, Outcome.DONE, data={"answer": answer, "position": 2, "code": "", "detail": ""})
        if command.action in (Action.TALK_RELEASE, Action.TALK_REVOKE):
            self.groups[group] = replace(self.groups[group], floor=Floor(FloorState.IDLE))
            self.talking(group, "")
            self.tell(group)
            return CommandResult(command.id, Outcome.DONE)
        if command.action is Action.CALL_ANSWER:
            self.calls["c1"] = replace(self.calls["c1"], state=CallState.UP, answered=time.time(), audio="g722")
            self.bus.publish("call", "c1", self.calls["c1"])
            return CommandResult(command.id, Outcome.DONE, data={"group": "kit1/talk/call-7"})
        return None

    def mount(self, mounts: Mounts) -> None:
        def show(data: Any) -> Any:
            async def answer(request: HttpRequest) -> HttpResponse:
                return HttpResponse(200, to_json(data()), "application/json")

            return answer

        endpoints = [{"id": f"kit1/{name}/ch1", "device": f"kit1/{name}", "title": name, "kind": kind, "online": True, "code": "", "talks": True, "listens": True} for name, kind in (("ball-1", "loudspeaker"), ("radio-1", "radio"))]  # fmt: skip
        mounts.route("GET", "/api/v1/talk/{group:path}/spurts", show(lambda: self.spurts))
        mounts.route("GET", "/api/v1/talk", show(lambda: list(self.groups.values())))
        mounts.route("GET", "/api/v1/talk/endpoints", show(lambda: endpoints))
        mounts.route("GET", "/api/v1/calls", show(lambda: list(self.calls.values())))
        mounts.route("POST", "/talk/{group:path}", self.join)
        mounts.route("GET", "/talk-session/{id}", self.status)
        mounts.route("DELETE", "/talk-session/{id}", self.leave)

    async def join(self, request: HttpRequest) -> HttpResponse:
        group = GroupId(request.path["group"])
        group = group if group in self.groups else GroupId("kit1/talk/call-7")
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peer.addTrack(AudioStreamTrack())
        await peer.setRemoteDescription(RTCSessionDescription(request.body.decode(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        ident, member = str(len(self.sessions) + 1), f"browser:00000{len(self.sessions) + 1}"
        self.sessions[ident] = (peer, group, member)
        status = self.groups[group]
        me = Member(member, MemberKind.BROWSER, request.who.name, UP, emergency=True)
        self.groups[group] = replace(status, members=(*status.members, me))
        asyncio.get_running_loop().call_later(0.2, self.tell, group)
        headers = {"Location": f"/talk-session/{ident}", "Fieldgate-Member": member}
        return HttpResponse(201, peer.localDescription.sdp.encode(), "application/sdp", headers)

    async def status(self, request: HttpRequest) -> HttpResponse:
        _, group, member = self.sessions[request.path["id"]]
        body = {"state": "connected", "code": "", "group": group, "member": member}
        return HttpResponse(200, json.dumps(body).encode(), "application/json")

    async def leave(self, request: HttpRequest) -> HttpResponse:
        peer, group, member = self.sessions.pop(request.path["id"])
        await peer.close()
        status = self.groups[group]
        self.groups[group] = replace(status, members=tuple(one for one in status.members if one.id != member))
        self.tell(group)
        return HttpResponse(200)
