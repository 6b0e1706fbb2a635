"""Reasons of: RTSP, pulled, published and read."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "media-elsewhere",
        "Packets arrive from another address or port than the RTSP server named; they are not taken.",
        "If the detail shows the camera itself (it stands behind NAT), add `#from=host` to the URL; `#from=any` takes "
        "them from anybody; `#transport=tcp` avoids the question.",
        "收到的数据包来自 RTSP 服务器声明之外的地址或端口，未予采用。",
        "若详情中正是该摄像机（位于 NAT 之后），请在 URL 后加 `#from=host`；`#from=any` 接受任意来源；"
        "也可改用 `#transport=tcp`。",
    ),
    (
        "rtsp-broken",
        "The RTSP connection carried what can not be RTSP (a message over 64 KiB, bytes that make no sense).",
        "Check that the other side speaks RTSP on this port; RTSPS and HTTP have ports of their own.",
        "RTSP 连接中出现不合规的数据（消息超过 64 KiB 或无法解析）。",
        "请确认对端在该端口使用 RTSP；RTSPS 与 HTTP 使用各自的端口。",
    ),
    (
        "rtsp-downgrade",
        "The RTSPS server leads to an address without encryption that asks for the password; it is not sent there.",
        "Switch the redirect off in the camera, or write the rtsp:// address with its password if the network between "
        "is trusted.",
        "RTSPS 服务器将连接引向未加密的地址并要求密码，密码未发送。",
        "请在摄像机中关闭该重定向；若中间网络可信，可直接填写带密码的 rtsp:// 地址。",
    ),
    (
        "rtsp-moved",
        "The RTSP server names another place, which can not be followed here.",
        "Write the other address into the configuration.",
        "RTSP 服务器要求改用另一个地址，此处无法自动跟随。",
        "请在配置中改为新的地址。",
    ),
    (
        "rtsp-no-back-channel",
        "The camera has no back channel, or does not offer it this way.",
        "Switch audio output on in the camera; take `#transport=http` off the URL; else remove `#talk=1`.",
        "该摄像机没有对讲反向通道，或不支持以此方式使用。",
        "请在摄像机中开启音频输出，并从 URL 去掉 `#transport=http`；否则删除 `#talk=1`。",
    ),
    (
        "rtsp-no-password",
        "The RTSP server wants a name and a password, and the URL has none.",
        "Write them into the URL, as in rtsp://name:password@camera/path.",
        "RTSP 服务器要求用户名和密码，但 URL 中没有填写。",
        "请写入 URL，例如 rtsp://用户名:密码@摄像机/路径。",
    ),
    (
        "rtsp-not-found",
        "The RTSP server knows no stream of this path.",
        "Check the path of the URL in the camera's manual, or let `fieldgate discover` find it.",
        "RTSP 服务器上没有该路径的码流。",
        "请对照摄像机手册检查 URL 路径，或使用 `fieldgate discover` 查找。",
    ),
    (
        "rtsp-not-yet",
        "The stream has no picture yet: its source is not there or is just being opened.",
        "Ask again in a moment; the console says what the source waits for.",
        "该码流尚无画面：信号源不在线或正在打开。",
        "请稍后重试；控制台会显示信号源正在等待什么。",
    ),
    (
        "rtsp-order",
        "The RTSP client asked in an order that is not allowed (SETUP without DESCRIBE or ANNOUNCE, a track twice).",
        "Use one connection for one stream; if it is a device, update its software.",
        "RTSP 客户端的请求顺序不正确（未先 DESCRIBE/ANNOUNCE 就 SETUP，或重复设置同一轨道）。",
        "请为每路码流使用单独的连接；若是设备，请升级其软件。",
    ),
    (
        "rtsp-password",
        "The RTSP server refused the name or the password, or its user may not see this stream.",
        "Correct them in the URL; many cameras lock the address for minutes after several wrong ones.",
        "RTSP 服务器拒绝了用户名或密码，或该用户无权查看此码流。",
        "请更正 URL 中的用户名和密码；许多摄像机在多次输错后会锁定地址数分钟。",
    ),
    (
        "rtsp-refused",
        "The RTSP server refused; its own words are in the details.",
        "Read the details; often the camera has too many viewers already.",
        "RTSP 服务器拒绝了请求，详情中有服务器的说明。",
        "请查看详情；常见原因是摄像机的观看连接数已满。",
    ),
    (
        "rtsp-require",
        "The RTSP client requires an extension that is not known here.",
        "Switch the extension off in the client.",
        "RTSP 客户端要求使用此处不支持的扩展。",
        "请在客户端关闭该扩展。",
    ),
    (
        "rtsp-sdp",
        "The description (SDP) that came over RTSP can not be read, or names neither picture nor sound.",
        "Update the software of the camera or sender; a trace helps: `fieldgate capture`.",
        "RTSP 返回的 SDP 无法解析，或既无视频也无音频。",
        "请升级摄像机或发送端软件；可用 `fieldgate capture` 抓包分析。",
    ),
    (
        "rtsp-session",
        "The RTSP session ran out: one side heard nothing of the other within its time.",
        "It is opened again by itself; if it goes on, look at the network between.",
        "RTSP 会话超时：一方在规定时间内没有收到另一方的消息。",
        "系统会自动重新打开；若持续出现，请检查中间网络。",
    ),
    (
        "rtsp-silent",
        "The other side of the RTSP connection did not answer in time, though the connection stands.",
        "Start the camera anew if it does not recover; look at its load and at the network.",
        "RTSP 连接仍在，但对端未按时应答。",
        "若不能自行恢复，请重启摄像机，并检查其负载与网络。",
    ),
    (
        "rtsp-transport",
        "The two sides agree on no transport: one wants UDP, the other TCP, or ciphered media.",
        "Set the other transport: `#transport=tcp` or `#transport=udp` behind the URL, or in the client.",
        "双方没有共同的传输方式（一方要 UDP，另一方要 TCP，或要求加密媒体）。",
        "请改用另一种传输方式：在 URL 后加 `#transport=tcp` 或 `#transport=udp`，或在客户端设置。",
    ),
    (
        "rtsp-tunnel",
        "The server takes no RTSP over HTTP on this port.",
        "Take `#transport=http` off the URL, or write the port on which the camera has HTTP.",
        "服务器在该端口不支持 RTSP over HTTP。",
        "请从 URL 去掉 `#transport=http`，或填写摄像机的 HTTP 端口。",
    ),
    (
        "track-left-out",
        "The source has a picture or a sound in a codec that is not taken here; the rest of it goes on.",
        "Set the source to H.264 or H.265 and to AAC, G.711 or Opus.",
        "信号源中有一路画面或声音的编码不被支持，其余部分照常。",
        "请将信号源设为 H.264 或 H.265，音频设为 AAC、G.711 或 Opus。",
    ),
)
