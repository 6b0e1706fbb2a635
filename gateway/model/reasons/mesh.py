"""Reasons of: mesh radios."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "mesh-waiting",
        "The mesh radio has not been heard yet.",
        "Wait a moment; then check that it is on and that the cable to it is plugged in.",
        "尚未收到自组网电台的信息。",
        "请稍候；如仍无信息，请检查电台是否开机、网线是否插好。",
    ),
    (
        "mesh-silent",
        "The mesh radio does not answer.",
        "Check its power and cable, its address, and that the interface it is read by is switched on.",
        "自组网电台无响应。",
        "请检查电台供电与网线、地址配置，以及用于读取的接口是否已启用。",
    ),
    (
        "mesh-denied",
        "The mesh radio refuses to tell how it stands.",
        "Check user and password, and what this user may ask on the radio; for a local socket the group of the gateway's user.",
        "自组网电台拒绝提供状态信息。",
        "请检查用户名与口令及其在电台上的权限；本机套接字请检查网关运行用户所属的组。",
    ),
    (
        "mesh-garbled",
        "What the mesh radio tells can not be read.",
        "Check that the kind of source is the right one for this radio, and its firmware.",
        "无法解析自组网电台返回的数据。",
        "请检查数据源类型是否与电台相符，并检查电台固件版本。",
    ),
    (
        "mesh-no-batctl",
        "batctl can not be run on this machine.",
        "Install batctl, load batman-adv, and install the drop-in mesh-batctl.conf of systemd/.",
        "本机无法运行 batctl。",
        "请安装 batctl、加载 batman-adv 内核模块，并安装 systemd/ 中的 mesh-batctl.conf。",
    ),
    (
        "mesh-alone",
        "The mesh radio is on and hears no other radio.",
        "Check antennas, channel and key of the radios, or move to where another one is in sight.",
        "自组网电台已开机，但未发现其他电台。",
        "请检查各电台的天线、信道与密钥，或移动到可通视其他电台的位置。",
    ),
    (
        "mesh-thin",
        "The mesh radio hears the others badly.",
        "Raise or turn the antenna, or put a relay between.",
        "自组网链路质量差。",
        "请抬高或调整天线，或在中间增设中继电台。",
    ),
    (
        "mesh-taken",
        "Another part of the configuration reads this mesh already, or there are too many.",
        "Give the mesh another name.",
        "该自组网已由其他配置读取，或自组网数量已达上限。",
        "请更换自组网名称。",
    ),
    (
        "mesh-no-history",
        "Nothing is known of the mesh at that time.",
        "Choose a later moment: the history begins with the gateway's start and is a day long.",
        "该时刻没有自组网记录。",
        "请选择更晚的时刻：历史记录自网关启动时开始，最长一天。",
    ),
)
