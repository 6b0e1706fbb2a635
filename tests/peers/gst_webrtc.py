"""GStreamer's webrtcbin (its ICE is libnice) as a WHIP publisher or a WHEP player, run by the system's Python:
`python3 gst_webrtc.py send|play URL KEY CA`. `play` says a line of JSON for each second: buffers by kind of media.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request
from collections import Counter

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

SEND = """
webrtcbin name=peer bundle-policy=max-bundle
videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! x264enc tune=zerolatency
  speed-preset=ultrafast key-int-max=25 ! video/x-h264,profile=constrained-baseline ! rtph264pay config-interval=-1 !
  application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000 ! peer.
audiotestsrc is-live=true ! opusenc ! rtpopuspay !
  application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2 ! peer.
"""
PLAY = "pipeline. ( webrtcbin name=peer bundle-policy=max-bundle )"
WANTED = (
    "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,packetization-mode=(string)1,"
    "profile-level-id=(string)42e01f",
    "application/x-rtp,media=audio,encoding-name=OPUS,payload=97,clock-rate=48000,encoding-params=(string)2",
)


class Peer:
    def __init__(self, way, url, key, authority):
        self.url, self.key = url, key
        self.trust = ssl.create_default_context(cafile=authority)
        self.buffers = Counter()
        self.pipeline = Gst.parse_launch(SEND if way == "send" else PLAY)
        self.peer = self.pipeline.get_by_name("peer")
        self.peer.connect("notify::ice-gathering-state", self.gathered)
        self.peer.connect("pad-added", self.comes)
        self.pipeline.set_state(Gst.State.READY)
        if way == "play":
            for caps in WANTED:
                self.peer.emit(
                    "add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.caps_from_string(caps)
                )
        self.pipeline.set_state(Gst.State.PLAYING)
        GLib.timeout_add(20, self.offers)

    def offers(self):
        """Once what is to be sent has its form; at the first `on-negotiation-needed` only the first of them has."""
        pads = [pad for pad in self.peer.sinkpads if pad.get_current_caps() is None]
        if not pads:
            self.peer.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered))
        return bool(pads)

    def offered(self, promise):
        promise.wait()
        reply = promise.get_reply()  # its offer is no copy: it goes with it
        self.peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def gathered(self, peer, _what):
        if peer.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            GLib.idle_add(self.asks, peer.get_property("local-description").sdp.as_text())

    def asks(self, text):
        head = {"Content-Type": "application/sdp", "Authorization": f"Bearer {self.key}"}
        request = urllib.request.Request(self.url, text.encode(), head)  # noqa: S310
        try:
            with urllib.request.urlopen(request, context=self.trust) as reply:  # noqa: S310
                answer = reply.read()
        except urllib.error.HTTPError as refused:
            print(json.dumps({"refused": refused.code, "code": json.loads(refused.read())["code"]}), flush=True)
            sys.exit(1)
        _, message = GstSdp.SDPMessage.new()
        GstSdp.sdp_message_parse_buffer(answer, message)
        told = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self.peer.emit("set-remote-description", told, None)
        return False

    def comes(self, _peer, pad):
        if pad.direction != Gst.PadDirection.SRC:
            return
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("async", False)
        self.pipeline.add(sink)
        sink.sync_state_with_parent()
        kind = pad.get_current_caps().get_structure(0).get_string("media")
        pad.add_probe(Gst.PadProbeType.BUFFER, self.count, kind)
        pad.link(sink.get_static_pad("sink"))

    def count(self, _pad, _info, kind):
        self.buffers[kind] += 1
        return Gst.PadProbeReturn.OK

    def tell(self):
        print(json.dumps(dict(self.buffers)), flush=True)
        return True


Gst.init(None)
made = Peer(*sys.argv[1:5])
if sys.argv[1] == "play":
    GLib.timeout_add(1000, made.tell)
GLib.MainLoop().run()
