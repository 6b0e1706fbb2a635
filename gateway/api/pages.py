"""The console's built files: the only thing besides sign-in that is served without a token, and it holds no data.

`/play/<stream>` is a page of the same bundle, `/phone/` one of its own for the phones of people on site. Files under
`assets/` carry a hash in their name and are kept for a year; pages are asked for anew every time.
"""

from __future__ import annotations

from pathlib import Path

from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.types import Receive, Scope, Send

from gateway.api.problems import respond

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".ico": "image/x-icon",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
    ".woff2": "font/woff2",
}
# The one page that asks for a camera and a position: those of the phone it is opened on.
PHONE_MAY = "camera=(self), geolocation=(self), microphone=(self), fullscreen=(self), autoplay=(self)"
MISSING = """<!doctype html><meta charset="utf-8"><title>Fieldgate</title>
<p>The console was not built into this installation. <code>make console</code> builds it; the API works without it.
<p>此安装未包含控制台页面。执行 <code>make console</code> 可构建；API 不受影响。
"""


class Pages:
    """An ASGI application that serves files of one folder, listed once at start: a path is looked up, never joined."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            file.relative_to(folder).as_posix(): file
            for file in (sorted(folder.rglob("*")) if folder.is_dir() else ())
            if file.is_file() and file.suffix in TYPES and not file.is_symlink()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.answer(scope["path"], scope["method"])(scope, receive, send)

    def answer(self, path: str, method: str = "GET") -> Response:
        if method not in ("GET", "HEAD"):
            return respond("not-found", f"nothing takes {method} here", status=404)
        name = path.strip("/")
        if name == "" or name.startswith("play/"):
            name = "play.html" if name else "index.html"
        elif name == "phone":
            name = "phone.html"
        file = self._files.get(name)
        if file is None:
            if name in ("index.html", "play.html", "phone.html"):
                return HTMLResponse(MISSING, headers={"Cache-Control": "no-cache"})
            return respond("not-found", f"there is no {path[:120]}")
        kept = "public, max-age=31536000, immutable" if name.startswith("assets/") else "no-cache"
        headers = {"Cache-Control": kept}
        if name == "phone.html":
            headers["Permissions-Policy"] = PHONE_MAY
        return FileResponse(file, media_type=TYPES[file.suffix], headers=headers)
