"""Reasons of: links of a kit, its centers, and what is given up of a picture when they carry less."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "center-silent",
        "The center has not answered yet by any link.",
        "Check that the center runs, and that UDP 8444 or the console's port leads to it (`fieldgate doctor ports`).",
        "中心尚未通过任何链路应答。",
        "请检查中心是否运行，以及 UDP 8444 或控制台端口能否到达（`fieldgate doctor ports`）。",
    ),
    (
        "center-unresolved",
        "The center's name leads to no address that this link could reach.",
        "Check the DNS of the links, or pair with the center's IP address.",
        "中心的域名无法解析为该链路可达的地址。",
        "请检查各链路的 DNS，或改用中心的 IP 地址配对。",
    ),
    (
        "link-off",
        "The link's interface is down, or has no address.",
        "Look at the modem, station or cable, and whether the configuration names the right interface.",
        "该链路的网卡未启用或没有地址。",
        "请检查模块、卫星站或网线，并确认配置中的网卡名正确。",
    ),
    (
        "link-no-socket",
        "No socket could be bound to the link's interface and address.",
        "Nothing, if the link is just coming or going; else read the log for what the kernel said.",
        "无法在该链路的网卡和地址上建立套接字。",
        "若链路正在上线或下线可忽略；否则请查看日志中的系统错误。",
    ),
    (
        "link-tcp",
        "UDP does not pass on this link: it goes by TCP, which is slower where packets are lost.",
        "Let UDP out to the center's port (8444) on this network, if you can.",
        "该链路上 UDP 不通，现改走 TCP，丢包时较慢。",
        "如有可能，请在该网络放行到中心 UDP 端口（8444）的出站流量。",
    ),
    (
        "link-sub",
        "The links carry less than the picture needs: its smaller version is sent.",
        "Nothing: the full picture comes back by itself when the links carry it for a while.",
        "链路带宽不足，现发送较小的画面（子码流）。",
        "无需处理：链路恢复一段时间后会自动回到完整画面。",
    ),
    (
        "link-low",
        "The links carry little: a small picture with few frames is sent.",
        "Nothing: it grows again by itself. Look at the links of the kit; close pictures that nobody needs.",
        "链路带宽很小，现发送低清晰度、低帧率画面。",
        "会自动恢复；请查看终端站的链路，并关闭不需要的画面。",
    ),
    (
        "link-pictures",
        "The links carry very little: one picture a second is sent.",
        "Nothing: it grows again by itself. Voice and control go first.",
        "链路带宽极小，现每秒发送一帧画面。",
        "会自动恢复；语音和控制优先。",
    ),
    (
        "link-stills",
        "The links carry almost nothing: a still picture is sent every few seconds.",
        "Nothing: it grows again by itself. Voice, control, alarms and positions go on.",
        "链路几乎不可用，现每隔几秒发送一张静止画面。",
        "会自动恢复；语音、控制、告警和定位继续传送。",
    ),
    (
        "link-nothing",
        "The picture can not be made small enough for what the links carry: it is not sent for now.",
        "Wait for the links; where conversion is off at the kit (`convert.enabled`), allow it.",
        "画面无法缩小到链路可承载的程度，暂不发送。",
        "请等待链路恢复；若终端站关闭了转码（`convert.enabled`），请启用。",
    ),
)
