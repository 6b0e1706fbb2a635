"""Events by PullPoint (ONVIF Core §9): subscribe, pull, renew; and what their topics mean as alarms.

A camera names the subscription by an address, some by reference parameters as well, which must be sent back as headers
word for word (WS-Addressing §2.1). `gateway.wire.xml` drops namespaces, so those are cut out of the bytes as they came.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from adapters.onvif.protocol.soap import ADDRESSING, EVENTS, NOTIFICATION, clean, tag, truth
from gateway.base.errors import RemoteProtocolError
from gateway.model.alarm import AlarmSeverity
from gateway.wire.xml import XmlNode, parse_xml

MAX_MESSAGES = 128
MAX_REFERENCE = 4096

CREATE_ACTION = f"{EVENTS}/EventPortType/CreatePullPointSubscriptionRequest"
PULL_ACTION = f"{EVENTS}/PullPointSubscription/PullMessagesRequest"
RENEW_ACTION = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest"
UNSUBSCRIBE_ACTION = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest"


def create(life_s: float) -> str:
    return tag("CreatePullPointSubscription", tag("InitialTerminationTime", text=_period(life_s)), ns=EVENTS)


def pull(wait_s: float, most: int = 64) -> str:
    return tag("PullMessages", tag("Timeout", text=_period(wait_s)), tag("MessageLimit", text=most), ns=EVENTS)


def renew(life_s: float) -> str:
    return tag("Renew", tag("TerminationTime", text=_period(life_s)), ns=NOTIFICATION)


def unsubscribe() -> str:
    return tag("Unsubscribe", ns=NOTIFICATION)


def addressing(action: str, to: str) -> str:
    """WS-Addressing headers: many cameras find the subscription by them."""
    return tag("Action", ns=ADDRESSING, text=action) + tag("To", ns=ADDRESSING, text=to)


@dataclass(frozen=True, slots=True)
class Subscription:
    """`address` as told; `reference` the elements to send back as headers, `declarations` the namespaces they need."""

    address: str
    reference: str = ""
    declarations: str = ""


_REFERENCE = re.compile(
    rb"<([\w.\-]{1,40}:)?ReferenceParameters\b[^>]{0,500}>(.{0,4096}?)</\1?ReferenceParameters\s*>", re.S
)
_DECLARATION = re.compile(r"""\sxmlns:([A-Za-z_][\w.\-]{0,40})\s*=\s*("[^"<>&]{1,200}"|'[^'<>&]{1,200}')""")
_PREFIX = re.compile(r"[<\s/]([A-Za-z_][\w.\-]{0,40}):")


def read_subscription(node: XmlNode, raw: bytes) -> Subscription:
    """`raw`: the whole answer, for the reference parameters. Raises RemoteProtocolError without an address."""
    told = node.child("SubscriptionReference")
    address = told.field("Address") if told is not None else ""
    if told is None or not address or len(address) > 1024:
        raise RemoteProtocolError("the camera tells no address of its subscription")
    reference, declarations = "", ""
    found = _REFERENCE.search(raw)
    if found is not None and told.child("ReferenceParameters") is not None:
        text = found.group(2).decode("utf-8", "replace").strip()
        if text and len(text) <= MAX_REFERENCE and _is_plain(text):
            wanted = set(_PREFIX.findall(text)) - {"xml", "xmlns", "s"}
            known = dict(_DECLARATION.findall(raw.decode("utf-8", "replace")))
            declarations = "".join(f" xmlns:{name}={known[name]}" for name in sorted(wanted) if name in known)
            reference = text
    return Subscription(address, reference, declarations)


def _is_plain(text: str) -> bool:
    """Elements that stand on their own: no declarations, comments or instructions, and all that opens closes."""
    if "<!" in text or "<?" in text:
        return False
    try:
        return not parse_xml(f"<r>{text}</r>".encode()).repaired or bool(_PREFIX.search(text))
    except RemoteProtocolError:
        return False


@dataclass(frozen=True, slots=True)
class Event:
    """One notification. `at` is unix seconds by the camera's clock, None where it tells none.

    `first`: the state as it is, told because we asked for it anew (PropertyOperation Initialized).
    """

    topic: str
    source: tuple[tuple[str, str], ...]
    data: tuple[tuple[str, str], ...]
    at: float | None = None
    first: bool = False

    def value(self, *names: str) -> str:
        low = {name.lower() for name in names}
        return next((value for name, value in self.data if name.lower() in low), "")


def read_events(node: XmlNode) -> list[Event]:
    """What an answer to PullMessages brings, at most MAX_MESSAGES."""
    out = []
    for told in node.all("NotificationMessage")[:MAX_MESSAGES]:
        topic = "/".join(part.rpartition(":")[2] for part in clean(told.field("Topic"), 200).split("/"))
        message = told.child("Message", "Message") or told.child("Message")
        if not topic or message is None:
            continue
        out.append(
            Event(
                topic,
                _items(message.child("Source")),
                _items(message.child("Data")),
                read_time(message.attribute("UtcTime") or ""),
                (message.attribute("PropertyOperation") or "").lower() == "initialized",
            )
        )
    return out


def _items(node: XmlNode | None) -> tuple[tuple[str, str], ...]:
    if node is None:
        return ()
    told = ((item.attribute("Name") or "", item.attribute("Value") or "") for item in node.all("SimpleItem")[:32])
    return tuple((clean(name, 64), clean(value, 128)) for name, value in told if name)


def read_time(text: str) -> float | None:
    """xs:dateTime; without a zone it is taken as UTC, as the attribute is called. None when it is none."""
    try:
        when = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return (when if when.tzinfo is not None else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Meaning:
    kind: str  # of model.alarm.Alarm; the console has words for each
    severity: AlarmSeverity
    method: str  # "video", "device" or "fault"


_MOTION = Meaning("motion", AlarmSeverity.MINOR, "video")
_TAMPER = Meaning("tamper", AlarmSeverity.MAJOR, "video")
_OCCLUSION = Meaning("occlusion", AlarmSeverity.MAJOR, "video")
_OBJECT = Meaning("object", AlarmSeverity.MINOR, "video")

# ONVIF Core Annex A, Imaging, Video Analytics and Device IO topics; the last parts decide, so that makers' own trees
# (tns1:RuleEngine/…, tnsaxis:…) are understood as well.
_TOPICS: tuple[tuple[str, Meaning], ...] = (
    ("cellmotiondetector/motion", _MOTION),
    ("motionregiondetector/motion", _MOTION),
    ("videosource/motionalarm", _MOTION),
    ("tamperdetector/tamper", _TAMPER),
    ("globalscenechange/imagingservice", _TAMPER),
    ("globalscenechange/analyticsservice", _TAMPER),
    ("globalscenechange/recordingservice", _TAMPER),
    ("imagetoodark/imagingservice", _OCCLUSION),
    ("imagetoodark/analyticsservice", _OCCLUSION),
    ("imagetooblurry/imagingservice", _OCCLUSION),
    ("imagetooblurry/analyticsservice", _OCCLUSION),
    ("videosource/signalloss", Meaning("video-loss", AlarmSeverity.MAJOR, "fault")),
    ("videosource/videoloss", Meaning("video-loss", AlarmSeverity.MAJOR, "fault")),
    ("device/trigger/digitalinput", Meaning("digital-input", AlarmSeverity.MAJOR, "device")),
    ("linedetector/crossed", Meaning("tripwire", AlarmSeverity.MAJOR, "video")),
    ("fielddetector/objectsinside", Meaning("intrusion", AlarmSeverity.MAJOR, "video")),
    ("loiteringdetector/objectisloitering", Meaning("loitering", AlarmSeverity.MINOR, "video")),
    ("audio/detectedsound", Meaning("sound", AlarmSeverity.MINOR, "device")),
    ("peopledetect", _OBJECT),
    ("facedetect", _OBJECT),
    ("vehicledetect", _OBJECT),
    ("dogcatdetect", _OBJECT),
    ("hardwarefailure/fanfailure", Meaning("fan-fault", AlarmSeverity.MINOR, "fault")),
    ("hardwarefailure/storagefailure", Meaning("disk-fault", AlarmSeverity.MAJOR, "fault")),
    ("hardwarefailure/temperaturecritical", Meaning("hot", AlarmSeverity.MAJOR, "fault")),
    ("hardwarefailure/powersupplyfailure", Meaning("fault", AlarmSeverity.MAJOR, "fault")),
)
KINDS = frozenset(meaning.kind for _, meaning in _TOPICS)

_STATES = ("IsMotion", "State", "IsTamper", "LogicalState", "IsInside", "IsSoundDetected", "Failed", "Critical")


@dataclass(frozen=True, slots=True)
class Report:
    """An event that is an alarm: `raised` or over. `source` tells the lens or the input, for telling two apart."""

    meaning: Meaning
    raised: bool
    source: str
    words: str


def read_report(event: Event) -> Report | None:
    """None for what is no alarm: other topics, and states that are told to be as they should."""
    low = event.topic.lower()
    meaning = next((m for tail, m in _TOPICS if low.endswith(tail)), None)
    if meaning is None:
        return None
    state = event.value(*_STATES)
    raised = truth(state, default=True) if state else True
    if event.first and not raised:
        return None
    source = ",".join(f"{name}={value}" for name, value in event.source)[:128]
    more = " ".join(f"{name}={value}" for name, value in event.data)
    return Report(meaning, raised, source, f"{event.topic} {source} {more}".strip()[:400])


def lens_of(event: Event) -> str:
    """Token of the video source that it speaks of; "" when it speaks of the camera as a whole."""
    names = ("videosource", "source", "videosourcetoken", "videosourceconfigurationtoken")
    return next((value for name, value in event.source if name.lower() in names), "")


def _period(seconds: float) -> str:
    return f"PT{max(1, round(seconds))}S"
