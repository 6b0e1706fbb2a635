"""Reasons of: access."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "unauthenticated",
        "Sign in first.",
        "Sign in, or send a bearer token.",
        "尚未登录。",
        "请登录或携带令牌。",
    ),
    (
        "bad-credentials",
        "Name or password is wrong.",
        "Try again; after several failures the account is locked for a while.",
        "用户名或密码错误。",
        "请重试；多次失败后账户将被锁定一段时间。",
    ),
    (
        "locked-out",
        "Too many wrong passwords; the account is locked for a while.",
        "Wait, or ask an administrator.",
        "密码错误次数过多，账户暂时锁定。",
        "请稍候或联系管理员。",
    ),
    (
        "bad-request",
        "The request is not well formed.",
        "See the detail for the field.",
        "请求格式有误。",
        "见详情所指字段。",
    ),
    (
        "too-large",
        "The request is larger than allowed.",
        "Send less at a time.",
        "请求超出大小限制。",
        "请减小单次请求。",
    ),
    (
        "too-many",
        "Too many requests at once.",
        "Wait a moment and try again.",
        "请求过多。",
        "请稍候重试。",
    ),
    (
        "csrf",
        "The request did not come from this gateway's own page.",
        "Reload the console; a program sends a bearer token instead of the cookie.",
        "请求不是来自本网关页面。",
        "请刷新控制台；程序请使用令牌而非 Cookie。",
    ),
    (
        "no-daemon",
        "No gateway is running here, or it may not be reached by this user.",
        "Start it with `fieldgate run`, name its --state-dir, or run the command as root.",
        "本机没有运行中的网关，或当前用户无权访问。",
        "执行 `fieldgate run` 启动，指定 --state-dir，或以 root 运行。",
    ),
    (
        "demo-child",
        "A part of the demonstration ended or did not come up.",
        "See the detail; `fieldgate doctor` looks for taken ports and missing parts.",
        "演示所需的进程退出或未能启动。",
        "见详情；`fieldgate doctor` 可检查端口占用与缺失组件。",
    ),
    (
        "demo-port",
        "A port that the demonstration needs is taken, by another demonstration or a gateway perhaps.",
        "End that one, or start this one on other ports: `fieldgate demo --ports 20000` takes 20000 to 20099 "
        "(`make demo DEMO_ARGS='--ports 20000'`); with a configuration of yours, change the key in the detail.",
        "演示所需的端口已被占用，可能是另一个演示或正在运行的网关。",
        "结束占用者，或换用其他端口启动：`fieldgate demo --ports 20000` 使用 20000 至 20099"
        "（`make demo DEMO_ARGS='--ports 20000'`）；若使用自己的配置文件，请修改详情中的配置项。",
    ),
)
