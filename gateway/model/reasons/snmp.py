"""Reasons of: devices that are asked by SNMP."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "snmp-silent",
        "The device does not answer SNMP.",
        "Check its address, that SNMP is on, and the community: a wrong one is not answered either.",
        "设备未响应 SNMP 请求。",
        "请检查设备地址、SNMP 是否已启用以及团体名（团体名错误时设备同样不响应）。",
    ),
    (
        "snmp-refused",
        "The device refuses the SNMP question.",
        "Check version, user and passwords, and what this user may read on the device.",
        "设备拒绝了 SNMP 请求。",
        "请检查 SNMP 版本、用户与口令，以及该用户在设备上的读权限。",
    ),
    (
        "snmp-garbled",
        "What the device sends is not SNMP.",
        "Check address and port; another program may listen there.",
        "设备返回的内容不是 SNMP 报文。",
        "请检查地址与端口，该端口可能被其他程序占用。",
    ),
    (
        "snmp-lies",
        "The device's SNMP answers can not be true: other values than were asked for, or without end.",
        "Update the device's firmware; what it says is not shown meanwhile.",
        "设备的 SNMP 应答不可信：返回了未请求的数据或没有尽头的列表。",
        "请升级设备固件；在此之前其数据不予显示。",
    ),
    (
        "snmp-v3-missing",
        "SNMP v3 is not installed on this gateway.",
        "Install it with `pip install 'fieldgate[snmp]'`, or use version 2c.",
        "本网关未安装 SNMP v3 支持。",
        "请执行 `pip install 'fieldgate[snmp]'` 安装，或改用 2c 版本。",
    ),
)
