"""A capture drawn: ladders of SIP and RTSP, loss and jitter of RTP over time; for a terminal, a page, or a program."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from html import escape as html_escape
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.text import Text

from gateway.cli.output import table
from gateway.cli.words import t
from gateway.net.capture.analysis import Dialog, Report, RtpStream

BARS = " ▁▂▃▄▅▆▇█"
MOST_DIALOGS = 12
MOST_STEPS = 60
MOST_COLUMNS = 60
COLUMN = 34


def drawn(report: Report) -> RenderableType:
    parts: list[RenderableType] = []
    span = report.last - report.first
    parts.append(
        Text(t(f"{report.packets} packets in {span:.1f} s", f"{span:.1f} 秒内 {report.packets} 个包"), style="bold")
    )
    if report.unread_tls:
        parts.append(
            Text(
                t(
                    f"{report.unread_tls} TLS connections: their talk can not be read",
                    f"{report.unread_tls} 个 TLS 连接，内容无法读取",
                )
            )
        )
    dialogs = list(report.dialogs.values())
    for dialog in dialogs[:MOST_DIALOGS]:
        parts += [Text(""), *ladder(dialog)]
    if len(dialogs) > MOST_DIALOGS:
        parts.append(Text(t(f"… and {len(dialogs) - MOST_DIALOGS} more", f"…… 另有 {len(dialogs) - MOST_DIALOGS} 个")))
    if streams := report.rtp():
        parts += [Text(""), rtp(streams)]
    if not dialogs and not streams:
        parts.append(Text(t("No SIP, RTSP or RTP in it.", "其中没有 SIP、RTSP 或 RTP。")))
    return Group(*parts)


def ladder(dialog: Dialog) -> list[RenderableType]:
    """Parties side by side, time downwards, an arrow a message."""
    parties = dialog.parties[:4]
    lines: list[RenderableType] = [Text.from_markup(f"[bold]{dialog.protocol}[/] [dim]{escape(dialog.id)}[/]")]
    lines.append(Text(" " * 10 + "".join(party[: COLUMN - 2].ljust(COLUMN) for party in parties), style="cyan"))
    begun = dialog.steps[0].at
    for step in dialog.steps[:MOST_STEPS]:
        if step.source not in parties or step.destination not in parties:
            continue
        a, b = parties.index(step.source), parties.index(step.destination)
        low, high = min(a, b), max(a, b)
        width = max((high - low) * COLUMN - 1, 8)
        words = step.text[: width - 4]
        line = f"{words} ".ljust(width - 2, "─")
        arrow = f"{line}─▶" if a < b else f"◀─{line}"
        row = f"{step.at - begun:8.3f}  " + ("│".ljust(COLUMN)) * low + "│" + arrow + "│"
        lines.append(Text(row, style="red" if step.failed else ""))
    left = len(dialog.steps) - MOST_STEPS + dialog.left_out
    if left > 0:
        lines.append(Text(t(f"          … {left} more", f"          …… 另有 {left} 条"), style="dim"))
    return lines


def rtp(streams: Sequence[RtpStream]) -> RenderableType:
    rows = []
    for stream in streams:
        loss = [second.loss for second in _seconds(stream)]
        jitter = [second.jitter_ms for second in _seconds(stream)]
        rows.append(
            [
                escape(f"{stream.source} → {stream.destination}"),
                escape(stream.codec or f"PT {stream.payload_type}"),
                str(stream.packets),
                f"[{'red' if stream.loss > 0.02 else 'green'}]{stream.loss:.2%}[/]",
                f"{stream.most_jitter_ms:.1f} ms",
                bars(loss, 0.2),
                bars(jitter, max(20.0, *jitter)),
            ]
        )
    columns = ("RTP", t("codec", "编码"), t("packets", "包数"), t("lost", "丢包"), t("jitter", "抖动"))
    return table("", (*columns, t("loss, by second", "逐秒丢包"), t("jitter, by second", "逐秒抖动")), rows)


def _seconds(stream: RtpStream) -> list[Any]:
    from gateway.net.capture.analysis import Second

    last = max(stream.seconds, default=0)
    return [stream.seconds.get(number, Second()) for number in range(last + 1)]


def bars(values: Sequence[float], most: float) -> str:
    """One character a value, or the largest of several where there are too many. 0 is a blank, all else is seen."""
    if not values:
        return ""
    each = -(-len(values) // MOST_COLUMNS)
    tall = [max(values[at : at + each]) for at in range(0, len(values), each)]
    return "".join(BARS[0] if v <= 0 else BARS[max(1, min(8, round(v / most * 8)))] for v in tall)


def as_dict(report: Report) -> dict[str, Any]:
    return {
        "packets": report.packets,
        "seconds": round(report.last - report.first, 3),
        "dialogs": [
            {"protocol": d.protocol, "id": d.id, "parties": d.parties, "steps": [asdict(step) for step in d.steps]}
            for d in report.dialogs.values()
        ],
        "rtp": [
            {
                "source": s.source,
                "destination": s.destination,
                "ssrc": s.ssrc,
                "payload_type": s.payload_type,
                "codec": s.codec,
                "packets": s.packets,
                "lost": s.lost,
                "reordered": s.reordered,
                "jitter_ms": round(s.most_jitter_ms, 3),
                "by_second": [
                    {"loss": round(x.loss, 4), "jitter_ms": round(x.jitter_ms, 3), "octets": x.octets}
                    for x in _seconds(s)
                ],
            }
            for s in report.rtp()
        ],
        "tls": report.unread_tls,
    }


def as_html(report: Report) -> str:
    """One page without scripts or anything from elsewhere."""
    parts = [
        "<!doctype html><meta charset='utf-8'><title>Fieldgate capture</title>"
        "<style>body{font:14px sans-serif;margin:2em}h2{font-size:15px}text{font:11px monospace}"
        "svg{background:#fafafa;border:1px solid #ddd;margin:.3em 0 1em}</style>"
    ]
    for dialog in report.dialogs.values():
        parts.append(f"<h2>{dialog.protocol} {html_escape(dialog.id)}</h2>{_ladder_svg(dialog)}")
    for stream in report.rtp():
        name = html_escape(f"RTP {stream.source} → {stream.destination} {stream.codec or f'PT {stream.payload_type}'}")
        said = t("lost", "丢包") + f" {stream.loss:.2%}, " + t("jitter", "抖动") + f" {stream.most_jitter_ms:.1f} ms"
        seconds = _seconds(stream)
        parts.append(f"<h2>{name}</h2><p>{stream.packets} · {said}</p>")
        parts.append(_chart([s.loss * 100 for s in seconds], "%", "#c33"))
        parts.append(_chart([s.jitter_ms for s in seconds], "ms", "#36c"))
    return "".join(parts)


def _ladder_svg(dialog: Dialog) -> str:
    parties, begun = dialog.parties[:6], dialog.steps[0].at
    width, height = 120 + 260 * len(parties), 50 + 24 * len(dialog.steps)
    out = [f"<svg width='{width}' height='{height}'>"]
    for number, party in enumerate(parties):
        x = 140 + 260 * number
        out.append(f"<text x='{x}' y='16' text-anchor='middle'>{html_escape(party)}</text>")
        out.append(f"<line x1='{x}' y1='22' x2='{x}' y2='{height}' stroke='#bbb'/>")
    for row, step in enumerate(dialog.steps):
        if step.source not in parties or step.destination not in parties:
            continue
        y = 44 + 24 * row
        a, b = (140 + 260 * parties.index(p) for p in (step.source, step.destination))
        colour, tip = "#c33" if step.failed else "#333", 7 if b > a else -7
        out.append(f"<text x='4' y='{y + 4}'>{step.at - begun:.3f}</text>")
        out.append(f"<line x1='{a}' y1='{y}' x2='{b}' y2='{y}' stroke='{colour}'/>")
        out.append(f"<path d='M{b} {y}l{-tip} -4v8z' fill='{colour}'/>")
        middle = (a + b) / 2
        out.append(
            f"<text x='{middle}' y='{y - 3}' text-anchor='middle' fill='{colour}'>{html_escape(step.text)}</text>"
        )
    return "".join([*out, "</svg>"])


def _chart(values: Sequence[float], unit: str, colour: str) -> str:
    most = max([*values, 1.0])
    step = max(2.0, 700 / max(len(values), 1))
    shown = "".join(
        f"<rect x='{at * step:.1f}' y='{80 - value / most * 76:.1f}' width='{max(step - 1, 1):.1f}'"
        f" height='{value / most * 76:.1f}' fill='{colour}'/>"
        for at, value in enumerate(values)
        if value > 0
    )
    width = max(720, round(step * len(values)) + 20)
    return f"<svg width='{width}' height='84'>{shown}<text x='4' y='12'>{most:.1f} {unit}</text></svg>"
