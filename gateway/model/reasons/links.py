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
