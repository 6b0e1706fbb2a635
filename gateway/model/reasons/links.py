"""Reasons of: bearers and the links that they make, and why one carries nothing."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "link-taken",
        "Two adapters want to tend a bearer of the same name.",
        "Give each its own name in the configuration.",
        "两个适配器使用了相同的承载名称。",
        "请在配置中为它们设置不同的名称。",
    ),
    (
        "link-untended",
        "The adapter that tends this bearer is not running.",
        "See the adapter's own reason (`fieldgate doctor`); it is started again by itself.",
        "管理该承载的适配器未运行。",
        "请查看该适配器的原因（`fieldgate doctor`）；它会自动重新启动。",
    ),
    (
        "link-unnamed",
        "No interface is named for this bearer: nothing is sent by it, and whether data pass is not known.",
        "Set `interface` of it (as eth1): `ip link` lists those of this machine.",
        "该承载未指定网卡：不经其发送数据，也无法判断数据是否通畅。",
        "请设置其 `interface`（如 eth1）；`ip link` 可列出本机网卡。",
    ),
    (
        "link-no-interface",
        "The bearer has no interface of this machine yet.",
        "Nothing, while it is being connected; else look at the bearer's own state.",
        "该承载尚无本机网卡。",
        "若正在连接可忽略；否则请查看该承载自身的状态。",
    ),
    (
        "link-no-reply",
        "The interface is up, and nothing that is sent by it is answered.",
        "The bearer is asked to recover by itself. Look at its plan (paid?), antenna, and the network behind it.",
        "网卡已启用，但经其发出的数据没有任何应答。",
        "系统会自动尝试恢复该承载；请检查资费、天线以及其后的网络。",
    ),
    (
        "link-probation",
        "The link carries again; it is used when it has been good for a while.",
        "Nothing: it returns by itself after ten good seconds.",
        "链路已恢复，正在观察，稳定一段时间后启用。",
        "无需处理：连续十秒正常后会自动启用。",
    ),
    (
        "link-lossy",
        "The link loses more than a tenth of what is sent.",
        "Others are taken first where there are some. Look at the antenna and the signal; move the kit if you can.",
        "该链路丢包率超过十分之一。",
        "有其他链路时会优先使用；请检查天线和信号，必要时移动设备位置。",
    ),
    (
        "link-no-route",
        "No default route leads out by this interface.",
        "Look at the modem's data session or the DHCP of this interface.",
        "没有经该网卡的缺省路由。",
        "请检查调制解调器的数据会话或该网卡的 DHCP。",
    ),
    (
        "link-udp-blocked",
        "TCP passes on this link, UDP does not.",
        "Have UDP let out to the center's ports (`fieldgate doctor ports`); until then all goes by TCP, slower.",
        "该链路上 TCP 可通而 UDP 不通。",
        "请放行到中心的 UDP 端口（`fieldgate doctor ports`）；在此之前改走 TCP，较慢。",
    ),
    (
        "link-slow",
        "An answer takes longer on this link than a conversation bears.",
        "Stop what fills it (uploads), or keep voice off it: classes in [link.<name>].",
        "该链路往返时延过大，不适合通话。",
        "请停止占用带宽的上传，或在 [link.<名称>] 的 classes 中去掉语音。",
    ),
    (
        "link-thin",
        "The link carries up less than a small picture needs.",
        "Look at signal and plan; keep video off it: classes in [link.<name>].",
        "该链路上行带宽不足以传输小画面。",
        "请检查信号和套餐；可在 [link.<名称>] 的 classes 中去掉视频。",
    ),
    (
        "link-mtu",
        "Packets of ordinary size do not pass this link whole.",
        "Set the interface's MTU to what is said to pass, or have the tunnel on the way looked at.",
        "普通大小的数据包无法完整通过该链路。",
        "请将网卡 MTU 设为实测值，或检查途中的隧道。",
    ),
    (
        "link-nat-strict",
        "The network gives each far end another port of ours: media find no direct way in.",
        "Nothing for the center's own links; browsers elsewhere need a TURN server (ice_servers).",
        "网络地址转换为对称型：媒体无法直接穿透。",
        "与中心之间的链路不受影响；外部浏览器需配置 TURN 服务器（ice_servers）。",
    ),
    (
        "link-routes",
        "The kernel does not let the gateway make routes for its links.",
        "Give it CAP_NET_ADMIN (systemd/README.md), or set links.routes = false.",
        "内核拒绝网关为链路设置路由。",
        "请授予 CAP_NET_ADMIN（见 systemd/README.md），或设置 links.routes = false。",
    ),
    (
        "link-roaming",
        "The bearer roams in a foreign network, and that is not allowed.",
        "Allow it in [links] (roaming = true) if its price is known; else wait for the home network.",
        "该承载处于漫游状态，而配置不允许漫游。",
        "如已了解资费，可在 [links] 中设置 roaming = true；否则请等待归属网络。",
    ),
    (
        "link-quota-spent",
        "The bearer has used up its quota of this period.",
        "It is used again in the next period; or raise its quota in [links].",
        "该承载本周期流量配额已用完。",
        "下个周期会自动恢复；也可在 [links] 中提高配额。",
    ),
    (
        "link-switched-off",
        "The configuration says that this link is not to be used.",
        "Set use = true for it in [links], if it shall carry.",
        "配置规定不使用该链路。",
        "如需使用，请在 [links] 中将其设置为 use = true。",
    ),
)
