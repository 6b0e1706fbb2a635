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
    (
        "srt-missing",
        "This system has no libsrt: SRT is off.",
        "Install libsrt1.5-gnutls (or libsrt1.5-openssl) and restart; `fieldgate doctor` tells whether it is found.",
        "系统中没有 libsrt，SRT 不可用。",
        "请安装 libsrt1.5-gnutls（或 libsrt1.5-openssl）后重启；可用 `fieldgate doctor` 检查。",
    ),
    (
        "srt-refused",
        "An SRT connection was refused by its listener.",
        "Read the detail: check stream id, passphrase and rights at both ends.",
        "SRT 连接被监听端拒绝。",
        "请查看详情，核对两端的 stream id、口令和权限。",
    ),
    (
        "srt-passphrase",
        "The SRT passphrase is wrong, or only one side has one.",
        "Set the same passphrase (10 to 79 characters) at both ends, or none at both.",
        "SRT 口令错误，或只有一端设置了口令。",
        "请在两端设置相同的口令（10 至 79 个字符），或都不设置。",
    ),
    (
        "srt-timeout",
        "Nobody answered the SRT call.",
        "Check address and UDP port, that the far side listens, and the firewall between.",
        "SRT 呼叫无人应答。",
        "请检查地址和 UDP 端口、对端是否在监听，以及中间的防火墙。",
    ),
    (
        "srt-rendezvous",
        "The other side of the SRT rendezvous did not come.",
        "Both sides must call each other at the same time on the same port; check address, port and firewall.",
        "SRT 会合模式的对端没有出现。",
        "双方须同时以相同端口互相呼叫；请检查地址、端口和防火墙。",
    ),
    (
        "srt-no-stream",
        "An SRT caller named no stream.",
        "Set its stream id, as in publish:drone-1 or #!::r=drone-1,m=publish,u=user,s=password; for encoders that have "
        "none, make a source srt://:9000?mode=listener.",
        "SRT 呼叫未指明流名称。",
        "请设置 stream id，如 publish:drone-1 或 #!::r=drone-1,m=publish,u=用户,s=密码；"
        "若编码器无此设置，请新建源 srt://:9000?mode=listener。",
    ),
    (
        "srt-mode",
        "An SRT caller asked for something that is not served.",
        "Only publish and request (read) of streams are: correct its stream id.",
        "SRT 呼叫请求了不支持的操作。",
        "仅支持流的 publish（发布）与 request（读取），请修改 stream id。",
    ),
    (
        "srt-anonymous",
        "An SRT caller said neither user nor password.",
        "Put u= and s= of a program into its stream id, give the program a passphrase, or allow its network with "
        "without_password_from.",
        "SRT 呼叫未给出用户和密码。",
        "请在 stream id 中加入程序的 u= 与 s=，或为该程序设置口令，或用 without_password_from 放行其网段。",
    ),
    (
        "no-interface",
        "The network interface or address for multicast is not there, or knows no multicast.",
        "Correct iface in the URL or interface in adapter.mpegts; `ip address` lists what there is.",
        "用于组播的网卡或地址不存在，或不支持组播。",
        "请修改 URL 中的 iface 或 adapter.mpegts 的 interface；可用 `ip address` 查看。",
    ),
    (
        "srt-latency",
        "The SRT link's round trip needs a longer latency than was agreed: it is connected again with more.",
        "Nothing; or set latency= in the URL to three round trips, or raise latency_max of adapter.srt.",
        "SRT 链路的往返时间大于已协商的时延所能容忍的范围，正以更大时延重新连接。",
        "无需处理；也可在 URL 中把 latency= 设为往返时间的三倍，或调大 adapter.srt 的 latency_max。",
    ),
)
