"""Reasons of: devices and registration."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "unknown-device",
        "A device with this id knocked; nobody admitted it.",
        "Admit it: `fieldgate devices admit`, or in the console.",
        "有未知设备尝试注册，尚未准入。",
        "执行 `fieldgate devices admit` 或在控制台准入。",
    ),
    (
        "wrong-password",
        "The device's password is wrong.",
        "Type the device's or the kit's password into the device.",
        "设备密码错误。",
        "请在设备中填写正确的设备密码或套件密码。",
    ),
    (
        "keepalive-lost",
        "The device fell silent.",
        "It comes back by itself; check its power and link.",
        "设备心跳丢失。",
        "设备会自动恢复；请检查供电与链路。",
    ),
    ("logged-out", "The device signed off.", "Switch it on again.", "设备已注销。", "请重新开启设备。"),
    (
        "device-fault",
        "The device says of itself that it has a fault.",
        "See its words in the detail; look into the device's own page. It is asked again every minute.",
        "设备自报故障。",
        "查看详情中的设备说明，并检查设备自身的网页；网关每分钟重新询问。",
    ),
    (
        "catalog-incomplete",
        "The device's catalogue came with items missing.",
        "It is asked for again; set the device to SIP over TCP if it repeats.",
        "设备目录不完整。",
        "网关会重新查询；若反复出现请将设备改为 TCP 信令。",
    ),
    (
        "restarted",
        "The gateway started anew and waits to hear from the device.",
        "Wait for its next keepalive.",
        "网关刚重启，等待设备心跳。",
        "请等待设备下一次心跳。",
    ),
)
