"""Reasons of: SRT, MPEG-TS, and connections that the media plane reads."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "wire-unbound",
        "A connection was open for ten seconds without saying what it is for, and was closed.",
        "Connect again with a stream name; if the sender did name one, read the log lines before this.",
        "连接建立 10 秒后仍未说明用途，已关闭。",
        "请带流名称重新连接；若发送端已给出名称，请查看此前的日志。",
    ),
    (
        "time-ahead",
        "The source's time jumped more than 30 s ahead; the picture goes on from there.",
        "Nothing, if it happens once. If it repeats, check the clock of the sender or its segmenter.",
        "源的时间戳向前跳变超过 30 秒，画面从新时间继续。",
        "偶发可忽略；若反复出现，请检查发送端或切片程序的时钟。",
    ),
    (
        "ts-none",
        "Datagrams arrive that hold no MPEG transport stream, neither raw nor in RTP.",
        "Check what sends to this address and port; set the sender to MPEG-TS over UDP or RTP.",
        "收到的数据报不是 MPEG-TS（裸流或 RTP 均不是）。",
        "请检查向该地址和端口发送的设备，将其设为 MPEG-TS over UDP 或 RTP。",
    ),
)
