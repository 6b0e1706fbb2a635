"""GStreamer's ONVIF server with a back channel, run by the system's Python: `gst_onvif_server.py PORT FILE`.

What it hears is written to FILE as 16-bit samples at 8000 Hz.
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

CAPS = "application/x-rtp,media=audio,payload=0,clock-rate=8000,encoding-name=PCMU"
Gst.init(None)
server = GstRtspServer.RTSPOnvifServer.new()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPOnvifMediaFactory.new()
factory.set_launch(
    "( videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=25/1 ! "
    "x264enc tune=zerolatency key-int-max=25 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96 )"
)
factory.set_backchannel_launch(
    f"( capsfilter caps={CAPS} name=depay_backchannel ! rtppcmudepay ! mulawdec ! "
    f"filesink buffer-mode=unbuffered sync=false async=false location={sys.argv[2]} )"
)
factory.set_media_gtype(GstRtspServer.RTSPOnvifMedia)
factory.set_shared(False)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
GLib.MainLoop().run()
