"""Reasons of: the link bundle: why a center does not take a kit in, why a session ends, why a path is not used."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "bundle-suite",
        "The center does not have the cipher suite that the kit asks for.",
        "Bring both ends to one release, or choose a suite at the kit that the center has (1 is always there).",
        "中心不支持终端站所请求的加密套件。",
        "请将两端升级到同一版本，或在终端站选择中心支持的套件（套件 1 始终可用）。",
    ),
    (
        "bundle-version",
        "Kit and center speak different formats of the link bundle; the detail says which.",
        "Bring the older of the two to the other's release, the center first. The kit goes on asking meanwhile, at least each "
        "minute, and comes in by itself.",
        "终端站与中心的链路聚合协议格式不一致，详情中列出了双方的格式。",
        "请把较旧的一端升级到另一端的版本，先升级中心；其间终端站至少每分钟重试一次，升级后自动接入。",
    ),
    (
        "unknown-key",
        "The center knows no kit with this key.",
        "Pair the kit with this center (`fieldgate pair`), or admit it there (`fieldgate kits admit`).",
        "中心没有登记该密钥对应的终端站。",
        "请将终端站与该中心配对（`fieldgate pair`），或在中心接纳（`fieldgate kits admit`）。",
    ),
    (
        "revoked",
        "The kit's key was taken back at the center.",
        "If that was not meant, pair the kit anew; if the key was stolen, this is the answer its thief gets.",
        "终端站的密钥已在中心被吊销。",
        "若属误操作，请重新配对；若密钥被盗，这正是盗用者得到的答复。",
    ),
    (
        "boot-behind",
        "The kit's start counter is lower than that of its session which is up: an old copy of the kit, or a restored one.",
        "Switch the other machine with this key off. A kit that was restored is taken in when the other is quiet for 5 s.",
        "该终端站的启动计数小于正在连接的会话：可能是旧副本或从备份恢复的设备。",
        "请关闭使用同一密钥的另一台设备；从备份恢复的设备在另一台静默 5 秒后即可接入。",
    ),
    (
        "center-busy",
        "The center is asked for more sessions at once than it answers.",
        "Nothing: the kit asks again by itself. If it lasts, look at who greets the center's UDP port so often.",
        "中心同时收到的连接请求过多，暂不应答。",
        "终端站会自动重试；若持续出现，请检查是谁频繁访问中心的 UDP 端口。",
    ),
    (
        "wrong-center-key",
        "What answers at this address is a center, but not the one whose key the kit has.",
        "Check the address; if the center's key was made anew, pair again.",
        "该地址上的中心与终端站所存密钥不符。",
        "请检查地址；若中心更换过密钥，请重新配对。",
    ),
    (
        "replaced",
        "A newer session of the same kit took this one's place.",
        "Nothing after a restart of the kit. If it repeats, two machines have the same key: revoke it and pair both anew.",
        "同一终端站的新会话已取代此会话。",
        "终端站重启后出现属正常；若反复出现，说明两台设备使用同一密钥，请吊销后分别重新配对。",
    ),
    (
        "shutdown",
        "The other end stopped in an orderly way.",
        "Nothing: the session comes back when it runs again.",
        "对端正常停止。",
        "对端重新运行后会话会自动恢复。",
    ),
    (
        "peer-silent",
        "Nothing came from the other end for a minute, over any path.",
        "Check the links of the kit, then whether the center runs; the kit goes on asking.",
        "一分钟内未通过任何路径收到对端数据。",
        "请先检查终端站的链路，再检查中心是否运行；终端站会持续重试。",
    ),
    (
        "center-restarted",
        "The center started anew and does not know the session any more.",
        "Nothing: the kit comes back at once.",
        "中心已重新启动，原会话失效。",
        "无需处理：终端站会立即重新接入。",
    ),
    (
        "peer-closed",
        "The other end ended the session for a reason that this release does not know.",
        "Read the detail; bring both ends to one release.",
        "对端以本版本未知的原因结束了会话。",
        "请查看详情，并将两端升级到同一版本。",
    ),
    (
        "bundle-protocol",
        "The other end holds the keys, and yet sent something that the format does not allow.",
        "Bring both ends to one release; if they are, please report it with the detail.",
        "对端虽通过认证，但发送了不合协议的数据。",
        "请将两端升级到同一版本；若版本一致，请连同详情反馈问题。",
    ),
    (
        "unpaired",
        "The kit let this center go.",
        "Nothing, if that was meant; else pair again.",
        "终端站已与该中心解除配对。",
        "若属预期无需处理；否则请重新配对。",
    ),
    (
        "path-new",
        "The path has not answered yet.",
        "Nothing for the first seconds. If it stays so, look whether this link lets UDP to the center's port through.",
        "该路径尚未应答。",
        "刚启动时属正常；若持续如此，请检查该链路是否放行到中心端口的 UDP。",
    ),
    (
        "path-silent",
        "Nothing that is sent over the path is answered any more.",
        "Look at the link: signal, SIM, cable. It is probed on and used again after ten good seconds.",
        "通过该路径发送的数据不再得到应答。",
        "请检查链路（信号、SIM 卡、网线）；系统会持续探测，恢复良好 10 秒后重新启用。",
    ),
    (
        "path-lossy",
        "More is lost on the path than comes through, and the others carry everything without it.",
        "Look at the link's signal and antenna; it is used again after ten good seconds, or as soon as it is needed.",
        "该路径丢失的数据多于到达的数据，且其他路径足以承载。",
        "请检查该链路的信号与天线；恢复良好 10 秒后、或一旦需要时会重新启用。",
    ),
    (
        "path-dropped",
        "The path was taken away: its link went, or somebody took it out of use.",
        "Nothing, if that was meant; else look at the interface of the link.",
        "该路径已被移除：链路消失或被停用。",
        "若属预期无需处理；否则请检查该链路的网卡。",
    ),
    (
        "path-broken",
        "The connection that carried the path (TCP) broke.",
        "Nothing: a new one is made. If it repeats, something between here and the center cuts long connections.",
        "承载该路径的 TCP 连接已断开。",
        "系统会自动重建；若反复出现，说明中间设备在切断长连接。",
    ),
    (
        "stream-reset",
        "The other end gave the connection up before it was finished.",
        "Try again; if it stays so, read the log of the other end for why.",
        "对端在传输完成前放弃了连接。",
        "请重试；若持续出现，请查看对端日志中的原因。",
    ),
)
