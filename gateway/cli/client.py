"""Talking to the daemon on this machine: its API over the local socket, which asks for no password.

Who may open the socket is root or the daemon's user; every act is audited as `local`. Standard library only: the
command starts fast, and nothing here is worth a dependency.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import socket
from pathlib import Path
from typing import Annotated, Any, NoReturn
from urllib.parse import quote

import typer

from gateway.base.errors import Busy, Denied, GatewayError, LinkDown, NotFound, PeerError
from gateway.cli.words import t

DEFAULT_STATE_DIR = Path("/var/lib/fieldgate")
PATIENCE_S = 20.0
FILE_PATIENCE_S = 120.0
"""A large file is hashed and synced before it is answered for."""

StateDir = Annotated[
    Path | None,
    typer.Option(
        "--state-dir",
        envvar="FIELDGATE_STATE_DIR",
        help=t("State directory of the running gateway.", "运行中网关的状态目录。"),
        show_default=str(DEFAULT_STATE_DIR),
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help=t("Print JSON.", "输出 JSON。"))]

_BY_STATUS: dict[int, type[GatewayError]] = {401: Denied, 403: Denied, 404: NotFound, 409: Busy, 503: LinkDown}


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, patience_s: float = PATIENCE_S) -> None:
        super().__init__("fieldgate", timeout=patience_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._path))


class Client:
    """One daemon, by its state directory."""

    def __init__(self, state_dir: Path | None = None) -> None:
        self.socket = (state_dir or DEFAULT_STATE_DIR) / "api.sock"

    def get(self, path: str, **query: str | int | float) -> Any:
        given = "&".join(f"{key}={quote(str(value))}" for key, value in query.items() if value != "")
        return self._ask("GET", path + ("?" + given if given else ""))

    def post(self, path: str, body: Any = None) -> Any:
        return self._ask("POST", path, {} if body is None else body)

    def patch(self, path: str, body: Any) -> Any:
        return self._ask("PATCH", path, body)

    def delete(self, path: str) -> Any:
        return self._ask("DELETE", path)

    def fetch(self, path: str, **query: str | int | float) -> tuple[bytes, dict[str, str]]:
        """The bytes of an answer that is no JSON, and its headers by lower-case names."""
        given = "&".join(f"{key}={quote(str(value))}" for key, value in query.items() if value != "")
        answer, text = self._send("GET", path + ("?" + given if given else ""))
        if answer.status >= 400:
            self._refuse(answer, text, f"GET {path}")
        return text, {name.lower(): value for name, value in answer.getheaders()}

    def send_file(self, path: str, file: Path, **query: str | int | float) -> Any:
        """The bytes of a file as the body of a POST, however large it is."""
        given = "&".join(f"{key}={quote(str(value))}" for key, value in query.items() if value != "")
        path += "?" + given if given else ""
        try:
            with file.open("rb") as body:
                answer, text = self._send("POST", path, body)
        except FileNotFoundError:
            raise NotFound(f"{file}: {t('there is no such file', '没有此文件')}") from None
        if answer.status >= 400:
            self._refuse(answer, text, f"POST {path}")
        return json.loads(text)

    def save(self, path: str, to: Path) -> int:
        """The bytes of an answer into a new file, a piece at a time; how many they are."""
        connection = _UnixConnection(self.socket, FILE_PATIENCE_S)
        try:
            connection.request("GET", path, headers={"Accept": "*/*"})
            answer = connection.getresponse()
            if answer.status >= 400:
                self._refuse(answer, answer.read(), f"GET {path}")
            with to.open("xb") as file:
                while piece := answer.read(1 << 20):
                    file.write(piece)
                return file.tell()
        except FileExistsError:
            raise Busy(f"{to}: {t('is there already', '已存在')}") from None
        except (OSError, http.client.HTTPException) as error:
            raise LinkDown(f"{self.socket}: {error}", code="no-daemon") from error
        finally:
            connection.close()

    def running(self) -> bool:
        """Whether a daemon answers."""
        try:
            self.get("/healthz")
        except PeerError:
            return True  # it answers, and says that it is not well
        except GatewayError:
            return False
        return True

    def await_(self, path: str) -> Any:
        """`get` of what the daemon needs up to two minutes for."""
        return self._ask("GET", path, patience_s=FILE_PATIENCE_S)

    def _ask(self, method: str, path: str, body: Any = None, patience_s: float = PATIENCE_S) -> Any:
        """Raises LinkDown (`no-daemon`) when nobody answers, else the error that the daemon names."""
        answer, text = self._send(method, path, body, patience_s)
        if answer.status >= 400:
            self._refuse(answer, text, f"{method} {path}")
        return json.loads(text) if text else None

    def _send(
        self, method: str, path: str, body: Any = None, patience_s: float = PATIENCE_S
    ) -> tuple[http.client.HTTPResponse, bytes]:
        raw = isinstance(body, io.IOBase)
        connection = _UnixConnection(self.socket, FILE_PATIENCE_S if raw else patience_s)
        headers = {"Accept": "application/json"}
        data = body if raw else None
        if raw:
            headers |= {
                "Content-Type": "application/octet-stream",
                "Content-Length": str(os.fstat(body.fileno()).st_size),
            }
        elif body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            return answer, answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise LinkDown(f"{self.socket}: {error}", code="no-daemon") from error
        finally:
            connection.close()

    @staticmethod
    def _refuse(answer: http.client.HTTPResponse, text: bytes, asked: str) -> NoReturn:
        told = json.loads(text) if text else None
        problem = told if isinstance(told, dict) else {}
        raised = _BY_STATUS.get(answer.status, PeerError)
        detail = str(problem.get("detail") or f"{asked}: {answer.status}")
        raise raised(detail, code=str(problem.get("code") or "internal"))


def ref(text: str) -> str:
    """An id as a path part; its slashes stay."""
    return quote(text, safe="/")
