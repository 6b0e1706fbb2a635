"""Reasons of: RTMP, FLV and fragmented MP4."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "av1",
        "The sender's picture is AV1, which the gateway does not carry.",
        "Set the sender to H.264 or H.265.",
        "发送方的视频编码是 AV1，网关不支持转发。",
        "请将发送端设为 H.264 或 H.265。",
    ),
    (
        "flv-broken-tag",
        "A tag of the RTMP or FLV stream does not hold what it says; it was left out.",
        "If it goes on, update the sender's software, or let it send plain H.264 and AAC.",
        "RTMP/FLV 码流中有损坏的标签，已跳过。",
        "若持续出现，请升级发送端软件，或改为发送普通的 H.264 与 AAC。",
    ),
    (
        "mp4-broken-fragment",
        "A fragment of the MP4 stream does not hold what it says; it was left out.",
        "If it goes on, look at the server that cuts the segments.",
        "MP4 码流中有损坏的分片，已跳过。",
        "若持续出现，请检查生成分片的服务器。",
    ),
)
