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
    (
        "rtmp-broken",
        "The RTMP connection carried what can not be RTMP (a chunk of absurd size, a message over its limit).",
        "Check that the sender speaks RTMP on this port; if it does, update its software.",
        "RTMP 连接中出现不合规的数据（分块大小异常或消息超长）。",
        "请确认发送端在该端口使用 RTMP；若是，请升级其软件。",
    ),
    (
        "rtmp-not",
        "What connected to the RTMP port does not speak RTMP.",
        "Check port and protocol in the sender; RTMPS has a port of its own.",
        "连接到 RTMP 端口的一方使用的不是 RTMP 协议。",
        "请检查发送端的端口与协议；RTMPS 使用单独的端口。",
    ),
    (
        "rtmp-rtmpe",
        "The sender speaks RTMPE, whose cipher protects nothing.",
        "Set it to rtmp:// or rtmps://.",
        "发送端使用 RTMPE，该加密方式并不安全。",
        "请改用 rtmp:// 或 rtmps://。",
    ),
    (
        "rtmp-amf",
        "A command of the RTMP connection can not be read.",
        "Update the sender's software; a trace helps: `fieldgate capture`.",
        "RTMP 连接中的命令无法解析。",
        "请升级发送端软件；可用 `fieldgate capture` 抓包分析。",
    ),
    (
        "rtmp-order",
        "The RTMP peer said things in an order that is not allowed, or asked for more than one stream.",
        "Give each stream a connection of its own; if it is a device, update its software.",
        "RTMP 对端的命令顺序不正确，或在一个连接中请求多路流。",
        "每路流请使用单独的连接；若为设备，请升级其软件。",
    ),
    (
        "rtmp-silent",
        "The RTMP peer connected, and then neither asked nor answered in time.",
        "Check the link's quality, and that the other side is an RTMP program.",
        "RTMP 对端连接后未在限定时间内发出请求或应答。",
        "请检查链路质量，并确认对方是 RTMP 程序。",
    ),
    (
        "rtmp-refused",
        "The other RTMP server refused the stream.",
        "Its own words stand beside: check the application, the stream's name and key.",
        "对方 RTMP 服务器拒绝了该流。",
        "请查看对方返回的说明，并检查应用名、流名称与推流码。",
    ),
)
