"""GStreamer's RTSP server, run by the system's Python: `python3 gst_server.py PORT PATH "( launch line )"`."""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(sys.argv[1])
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(sys.argv[3])
factory.set_shared(False)
server.get_mount_points().add_factory("/" + sys.argv[2], factory)
server.attach(None)
GLib.MainLoop().run()
