"""Reasons of: ModemManager, who drives cellular modems for us."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "mm-no-bus",
        "The system bus (D-Bus), by which ModemManager is spoken to, can not be reached.",
        'See `systemctl status dbus`; in a container give it /run/dbus/system_bus_socket; or set backend = "at" for this modem.',
        "无法连接与 ModemManager 通信所用的系统总线（D-Bus）。",
        '请查看 `systemctl status dbus`；在容器中请映射 /run/dbus/system_bus_socket；或将该模块设为 backend = "at"。',
    ),
    (
        "mm-absent",
        "ModemManager is not installed, or does not run.",
        'Run `apt-get install modemmanager` and `systemctl enable --now ModemManager`; or set backend = "at" for this modem. It is taken up as soon as it is there.',
        "ModemManager 未安装或未运行。",
        '请执行 `apt-get install modemmanager` 与 `systemctl enable --now ModemManager`；或将该模块设为 backend = "at"。启动后会自动接管。',
    ),
    (
        "mm-silent",
        "ModemManager runs and does not answer.",
        'It is asked again by itself; if it stays so: `systemctl restart ModemManager`, and `journalctl -u ModemManager`; or set backend = "at" for this modem.',
        "ModemManager 正在运行但没有应答。",
        '系统会自动重试；若一直如此，请执行 `systemctl restart ModemManager` 并查看 `journalctl -u ModemManager`；或将该模块设为 backend = "at"。',
    ),
    (
        "mm-not-allowed",
        "ModemManager refuses us: polkit does not let this user drive modems.",
        "Install 50-fieldgate-modems.rules of the systemd folder into /etc/polkit-1/rules.d/ and see that polkit runs (`systemctl status polkit`).",
        "ModemManager 拒绝操作：polkit 不允许本用户控制模块。",
        "请将 systemd 目录中的 50-fieldgate-modems.rules 安装到 /etc/polkit-1/rules.d/，并确认 polkit 正在运行（`systemctl status polkit`）。",
    ),
    (
        "mm-not-shown",
        "The port is there, but ModemManager shows no modem of it: it is still looking, or a udev rule keeps the port from it.",
        'Wait half a minute. Then look for ID_MM_PORT_IGNORE and ID_MM_DEVICE_IGNORE in `udevadm info` of the port, and into `journalctl -u ModemManager`; a module that it does not know is set to backend = "at".',
        "端口存在，但 ModemManager 未识别出模块：仍在探测中，或该端口被 udev 规则排除。",
        '请等待半分钟；再用 `udevadm info` 查看该端口是否带有 ID_MM_PORT_IGNORE 或 ID_MM_DEVICE_IGNORE，并查看 `journalctl -u ModemManager`；它不认识的模块请设为 backend = "at"。',
    ),
    (
        "mm-which",
        "ModemManager has several modems, and the configuration does not say which one is meant.",
        "Give the modem an address: its USB socket (`1-1.3`), its IMEI, or a name below /dev/serial/by-path/; `mmcli -L` lists them.",
        "ModemManager 下有多个模块，而配置未指明是哪一个。",
        "请为该模块设置地址：USB 插口（如 `1-1.3`）、IMEI，或 /dev/serial/by-path/ 下的名称；`mmcli -L` 可列出。",
    ),
    (
        "mm-taken",
        "Two names of the configuration mean the same modem: it is driven under the first, and left alone under this one.",
        "Remove one of the two below adapter.modem.modems, or give it the address of another modem; `mmcli -L` lists them.",
        "配置中有两个名称指向同一个模块：由先占用的名称驱动，本名称不动它。",
        "请在 adapter.modem.modems 中删去其一，或改为另一个模块的地址；`mmcli -L` 可列出。",
    ),
    (
        "mm-modem-failed",
        "ModemManager found the modem and could not set it up.",
        'It is reset by itself. If it comes again: `mmcli -m any` and `journalctl -u ModemManager` say at what; try backend = "at", other firmware, another cable or power supply.',
        "ModemManager 发现了模块，但初始化失败。",
        '系统会自动复位。若反复出现：请查看 `mmcli -m any` 与 `journalctl -u ModemManager`；可改用 backend = "at"、更换固件、线缆或供电。',
    ),
    (
        "mm-wrong-state",
        "ModemManager is doing something else with the modem just now.",
        "It is tried again by itself; another program (NetworkManager, mmcli) may be driving the same modem: leave it to one of them.",
        "ModemManager 正在对该模块执行其他操作。",
        "系统会自动重试；可能有其他程序（NetworkManager、mmcli）同时在控制该模块，请只保留一个。",
    ),
    (
        "mm-failed",
        "ModemManager tried what was asked, and the modem or the network refused; its words stand beside this.",
        "It is tried again by itself; see `journalctl -u ModemManager` for what the modem answered.",
        "ModemManager 已尝试该操作，但被模块或网络拒绝，原文见详情。",
        "系统会自动重试；模块的应答见 `journalctl -u ModemManager`。",
    ),
)
