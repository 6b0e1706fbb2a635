"""Announces itself by mDNS (python-zeroconf) and SSDP (ssdpy), neither of them ours; run in the peers' own venv."""

import http.server
import signal
import socket
import sys
import threading

from ssdpy import SSDPServer
from zeroconf import ServiceInfo, Zeroconf

DESCRIPTION = b"""<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>
<deviceType>urn:schemas-upnp-org:device:Basic:1</deviceType><friendlyName>Yard \xe9\x99\xa2\xe5\xad\x90</friendlyName>
<manufacturer>Acme</manufacturer><modelName>IPC-7</modelName><presentationURL>/index.html</presentationURL>
</device></root>"""


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(DESCRIPTION)))
        self.end_headers()
        self.wfile.write(DESCRIPTION)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    address = sys.argv[1]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    page = http.server.ThreadingHTTPServer((address, 0), Page)
    threading.Thread(target=page.serve_forever, daemon=True).start()
    location = f"http://{address}:{page.server_port}/description.xml"
    ssdp = SSDPServer("uuid:yard-1", device_type="upnp:rootdevice", address=address, location=location)
    threading.Thread(target=ssdp.serve_forever, daemon=True).start()
    mdns = Zeroconf(interfaces=[address])
    mdns.register_service(
        ServiceInfo(
            "_rtsp._tcp.local.",
            "Truck drone._rtsp._tcp.local.",
            addresses=[socket.inet_aton(address)],
            port=8554,
            properties={"path": "/live/1", "model": "D-3"},
            server="truck-drone.local.",
        )
    )
    print("ready", flush=True)
    try:
        signal.pause()
    finally:
        mdns.close()


main()
