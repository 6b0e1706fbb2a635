"""Reasons of: ONVIF cameras."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "onvif-unreachable",
        "The camera does not answer at its address.",
        "Check its power, cable and address; the gateway tries again by itself. `fieldgate discover` shows where it is.",
        "摄像头在该地址无应答。",
        "请检查供电、网线与地址；网关会自动重试。`fieldgate discover` 可查看其所在地址。",
    ),
    (
        "onvif-auth",
        "The camera refuses the user name or password.",
        "Set user and password of an ONVIF user of the camera; many makers keep ONVIF users apart from web users.",
        "摄像头拒绝该用户名或密码。",
        "请填写摄像头 ONVIF 用户的用户名和密码；许多厂商的 ONVIF 用户与网页用户是分开的。",
    ),
    (
        "onvif-locked",
        "The camera has locked the user after wrong passwords.",
        "Correct the password, then wait for the camera's lock to end (often 5 to 30 minutes) or restart it.",
        "密码多次错误，摄像头已锁定该用户。",
        "请改正密码，并等待摄像头解锁（通常 5 至 30 分钟）或重启摄像头。",
    ),
    (
        "onvif-clock",
        "The camera's clock is wrong.",
        "Set `set_clock = true` for it, set its NTP server, or set it in its own page.",
        "摄像头时钟不准。",
        "请为其设置 `set_clock = true`，配置 NTP 服务器，或在其网页中校时。",
    ),
    (
        "not-onvif",
        "Something answers at the address, but it does not speak ONVIF.",
        "Switch ONVIF on in the camera (off by default with some makers), and check the port: often 80, 8000, 8080 or 8899.",
        "该地址有应答，但不是 ONVIF。",
        "请在摄像头中启用 ONVIF（部分厂商默认关闭），并核对端口：常见为 80、8000、8080、8899。",
    ),
    (
        "onvif-fault",
        "The camera refused the request.",
        "See its words in the detail; update its firmware if it repeats.",
        "摄像头拒绝了该请求。",
        "详情中有摄像头的答复；若反复出现请升级固件。",
    ),
    (
        "onvif-no-media",
        "The camera offers no video profile, or not the one that is set.",
        "Set up a stream in the camera's own page; leave `profile` empty to take its first.",
        "摄像头没有可用的视频配置，或没有所设的配置。",
        "请在摄像头网页中配置码流；`profile` 留空即取第一个。",
    ),
    (
        "onvif-no-events",
        "The camera offers no events that can be fetched; its alarms are not seen.",
        "Switch on motion detection and ONVIF events in the camera; its picture is not affected.",
        "摄像头不提供可拉取的事件，收不到其报警。",
        "请在摄像头中启用移动侦测与 ONVIF 事件；不影响画面。",
    ),
    (
        "ptz-not-stopped",
        "The camera took no stop in any way it was told; it may be turning still.",
        "Watch its picture; move it and let go again, or cut its power. Report make and firmware.",
        "用各种方式发送停止，摄像头均未接受，可能仍在转动。",
        "请观察画面；再操作一次并松开，或断电。请上报型号与固件版本。",
    ),
    (
        "onvif-other-camera",
        "Another camera answers at the address: its serial number is not the one that is known.",
        "If the camera was replaced, forget it and admit the new one; else correct the address.",
        "该地址应答的是另一台摄像头：序列号与已知的不符。",
        "若已更换摄像头，请撤销后重新准入；否则请更正地址。",
    ),
    (
        "onvif-moved",
        "The camera does not answer at its address, and announces itself at another one, which is not followed.",
        "If the address in the detail is the camera's, admit it there or correct `address`; `follow` says how far "
        "announcements, which anybody can send, are believed.",
        "摄像头在已知地址无应答，并在另一地址自报；网关未跟随该地址。",
        "若详情中的地址确属该摄像头，请按新地址重新准入或更正 `address`；自报可被伪造，跟随范围由 `follow` 决定。",
    ),
    (
        "http-no-answer",
        "The device took the connection and did not answer in time.",
        "It may be starting or overloaded; the gateway tries again by itself.",
        "设备已接受连接，但未及时应答。",
        "设备可能正在启动或过载；网关会自动重试。",
    ),
    (
        "not-http",
        "Something answers at the address, but it does not speak HTTP.",
        "Check the port, and whether it wants HTTPS.",
        "该地址有应答，但不是 HTTP。",
        "请核对端口，以及是否需要 HTTPS。",
    ),
    (
        "http-too-large",
        "The answer was larger than is read.",
        "Update the device's firmware; report its make and model.",
        "应答超过允许的大小。",
        "请升级设备固件，并上报品牌型号。",
    ),
    (
        "basic-only",
        "The device takes a password in clear only; it was not sent.",
        "Switch digest authentication on in the device, or reach it by HTTPS (`tls = true`).",
        "设备只接受明文密码，网关未发送。",
        "请在设备中启用摘要认证（digest），或改用 HTTPS（`tls = true`）。",
    ),
    (
        "discovery-port",
        "A port for finding devices could not be opened; that way of finding them is left out.",
        "See the detail: another program may hold it, or the network has no multicast.",
        "发现设备所需的端口无法打开，已跳过该方式。",
        "请查看详情：端口可能被占用，或网络不支持组播。",
    ),
)
