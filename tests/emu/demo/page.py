"""The page where links are cut: one HTML file, two requests, a token. It lives as long as the demo.

The token stands in the link's fragment, which browsers do not send; the page sends it as a bearer token, so nothing can
be done by another site's form or image.
"""

from __future__ import annotations

import hmac
import json
import secrets
import ssl
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

MAX_BODY = 4096
HTML = Path(__file__).with_name("page.html")
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Page:
    """`state` gives what is shown, `act` does what was clicked; it raises ValueError, in words, where it can't."""

    def __init__(
        self,
        listen: tuple[str, int],
        state: Callable[[], dict[str, Any]],
        act: Callable[[dict[str, Any]], dict[str, Any]],
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.token = secrets.token_urlsafe(18)
        page, tls_given = self, tls

        class Handler(_Handler):
            of = page

        self._state, self._act = state, act
        # Links answer one order at a time: so do we.
        self._one = threading.Lock()
        self._server = ThreadingHTTPServer(listen, Handler)
        self._server.daemon_threads = True
        if tls_given is not None:
            self._server.socket = tls_given.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="demo-page", daemon=True)
        self._thread.start()

    def allowed(self, header: str) -> bool:
        return hmac.compare_digest(header.encode(), f"Bearer {self.token}".encode())

    def state(self) -> dict[str, Any]:
        with self._one:
            return self._state()

    def act(self, order: dict[str, Any]) -> dict[str, Any]:
        with self._one:
            return self._act(order)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    of: Page
    timeout = 20
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/":
            self._answer(HTTPStatus.OK, HTML.read_bytes(), "text/html; charset=utf-8")
        elif self.path != "/state":
            self._say(HTTPStatus.NOT_FOUND, {"error": "没有此页面。 There is no such page."})
        elif self._allowed():
            self._say(HTTPStatus.OK, self.of.state())

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 < length <= MAX_BODY:
            self.close_connection = True
            self._say(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                {"error": f"请求体须为 1 至 {MAX_BODY} 字节。 1 to {MAX_BODY} bytes are taken."},
            )
            return
        body = self.rfile.read(length)
        if not self._allowed():
            return
        try:
            order = json.loads(body)
            if not isinstance(order, dict):
                raise ValueError("请求须为 JSON 对象。 A JSON object is wanted.")
            told = self.of.act(order)
        except json.JSONDecodeError:
            self._say(HTTPStatus.BAD_REQUEST, {"error": "请求不是 JSON。 That is no JSON."})
            return
        except ValueError as wrong:
            self._say(HTTPStatus.BAD_REQUEST, {"error": str(wrong)})
            return
        self._say(HTTPStatus.OK, told)

    def _allowed(self) -> bool:
        if self.of.allowed(self.headers.get("Authorization") or ""):
            return True
        self._say(
            HTTPStatus.UNAUTHORIZED,
            {"error": "请打开完整链接，包括 # 之后的部分。 Open the whole link, with what stands behind #."},
        )
        return False

    def _say(self, status: HTTPStatus, told: dict[str, Any]) -> None:
        self._answer(status, json.dumps(told, ensure_ascii=False).encode(), "application/json")

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The token is in no address, but a demo's terminal is for the demo."""
