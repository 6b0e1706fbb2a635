"""Reasons of: finding what is on the network."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "discovery-running",
        "A search is under way already.",
        "Wait for its end, or stop it.",
        "正在搜索中。",
        "请等待结束，或先停止搜索。",
    ),
    (
        "capture-no-right",
        "The gateway may not listen to the wire: it lacks CAP_NET_RAW.",
        "Install systemd/fieldgate.service.d/listen.conf and restart the gateway, or run `fieldgate discover --listen --local` as root.",
        "网关无权监听网线：缺少 CAP_NET_RAW。",
        "请安装 systemd/fieldgate.service.d/listen.conf 并重启网关，或以 root 运行 `fieldgate discover --listen --local`。",
    ),
    (
        "capture-not-installed",
        "Listening to the wire needs scapy, which is not installed.",
        "Install it: `pip install 'fieldgate[discover]'`.",
        "监听网线需要 scapy，尚未安装。",
        "请安装：`pip install 'fieldgate[discover]'`。",
    ),
    (
        "capture-failed",
        "The process that listens to the wire ended before its time.",
        "See the detail; start the search again.",
        "监听进程提前退出。",
        "请查看详情，并重新搜索。",
    ),
    (
        "discovery-full",
        "So many answers came that the rest was left out.",
        "Search again with a smaller network plugged in; somebody may be flooding it.",
        "应答过多，其余已忽略。",
        "请缩小网络后重新搜索；可能有设备在泛洪。",
    ),
    (
        "not-adoptable",
        "It was found, but the gateway has no way to take it in.",
        "Add it by hand with the address that is shown.",
        "已发现，但网关无法直接接入。",
        "请按所示地址手动添加。",
    ),
    (
        "capture-folder",
        "The folder of the capture can not be written.",
        "See the detail; name another folder with --write.",
        "抓包目录不可写。",
        "请查看详情，或用 --write 指定其他目录。",
    ),
)
