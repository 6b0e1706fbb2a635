"""Reasons of: store and forward, MQTT."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "certificate-damaged",
        "A certificate or a request for one can not be used.",
        "Let the kit make its request anew and pair again; check that both files were copied whole.",
        "证书或证书请求无法使用。",
        "请让网关重新生成证书请求并再次配对；检查文件是否复制完整。",
    ),
    (
        "outbox-full",
        "More waits for a center than there is room for: the least important, oldest first, was given up.",
        "Bring the link to the center back, or raise rows or size of [forward]; a center that is no more: take it out "
        "of the configuration.",
        "等待上报中心的数据已超出容量，已按优先级从低到高、从旧到新放弃一部分。",
        "请恢复至中心的链路，或调大 [forward] 的 rows、size；若该中心已停用，请从配置中移除。",
    ),
    (
        "outbox-nobody",
        "No center is joined with this gateway: there is nobody to send it to.",
        "Pair with a center (`fieldgate pair`), then send it again.",
        "本网关尚未接入任何中心，没有发送对象。",
        "请先与中心配对（`fieldgate pair`），再重新发送。",
    ),
    (
        "file-empty",
        "The file has not a single byte.",
        "Look whether the recording has ended, and choose it again.",
        "文件为空。",
        "请确认录制是否已结束，再重新选择。",
    ),
    (
        "inbox-full",
        "The center has no room for more files of this kit.",
        "Look through the files at the center, delete what is not needed, or raise file_quota of [forward] there.",
        "中心为该网关保留的文件空间已满。",
        "请在中心清理文件，或调大中心 [forward] 的 file_quota。",
    ),
    (
        "file-damaged",
        "A file arrived whole, but is not what was announced; it is sent again from its beginning.",
        "Nothing, if it happens once. If it repeats, check memory and disk of the kit and of the center.",
        "文件已全部收到，但与申报内容不符，将从头重传。",
        "偶发可忽略；若反复出现，请检查网关与中心的内存和磁盘。",
    ),
    (
        "file-taken",
        "Another file has this id already.",
        "Send it anew, so that it gets an id of its own.",
        "该文件编号已被其他文件占用。",
        "请重新发送，以获得新的编号。",
    ),
    (
        "file-given-up",
        "A file will not reach its center: it was refused there for good, or is no longer on this disk.",
        "Read the detail: where it is too large, raise largest_file of [forward] at the center and send it anew; where it "
        "is missing here, check this gateway's disk.",
        "有文件无法送达中心：已被中心永久拒收，或本机磁盘上已不存在。",
        "请查看详情：若文件过大，请调大中心 [forward] 的 largest_file 后重新发送；若本机文件缺失，请检查本机磁盘。",
    ),
    (
        "event-damaged",
        "An event of a kit could not be read; it was refused for good.",
        "Read the detail in the center's log; bring both sides to the same version.",
        "网关上报的事件无法解析，已永久拒收。",
        "请查看中心日志中的详情，并将两端升级到相同版本。",
    ),
    (
        "order-stale",
        "An order was made for an earlier start of this kit, or somebody handed out a copy of an old one; it was not "
        "carried out.",
        "Give it again. If it repeats while the kit was not started anew, somebody replays messages: look at the broker.",
        "指令是发给该网关上一次启动的，或是旧指令的副本，未予执行。",
        "请重新下达。若网关并未重启而反复出现，说明有人重放消息：请检查 MQTT 服务器。",
    ),
    (
        "mqtt-deaf",
        "An MQTT broker takes connections and never answers; the next one is tried.",
        "Restart that broker or take it out of brokers; check that the port is the broker's and not another program's.",
        "MQTT 服务器接受连接但不应答，正在尝试下一个。",
        "请重启该服务器或将其从 brokers 中移除；确认该端口属于 MQTT 服务器而非其他程序。",
    ),
    (
        "mqtt-silent",
        "An MQTT broker hung up without a word when it was greeted.",
        "Check that the port is right (8883 is TLS, 1883 is not) and that the broker takes this gateway's certificate.",
        "MQTT 服务器在握手时直接断开。",
        "请检查端口（8883 为 TLS，1883 为明文），并确认服务器信任本网关证书。",
    ),
    (
        "mqtt-garbage",
        "What answers at a broker's address does not speak MQTT.",
        "Correct the address in brokers; something else listens there.",
        "该地址的应答不是 MQTT 协议。",
        "请修改 brokers 中的地址，该端口上是其他程序。",
    ),
    (
        "mqtt-lost",
        "The connection to the MQTT broker ended; the next one is tried.",
        "Nothing, if it comes back. If it repeats, check link and broker, and whether another client has the same id.",
        "与 MQTT 服务器的连接中断，正在尝试下一个。",
        "能自行恢复则无需处理；若反复出现，请检查链路、服务器，以及是否有其他客户端使用相同编号。",
    ),
    (
        "mqtt-denied",
        "The MQTT broker does not let this gateway in, or forbids what it needs.",
        "Check certificate (its name is the gateway's id), user and password, and the broker's access list: "
        "`fieldgate mqtt broker-config` prints one.",
        "MQTT 服务器拒绝本网关接入或禁止所需主题。",
        "请检查证书（名称须为网关编号）、用户名密码及服务器的访问控制列表：可用 `fieldgate mqtt broker-config` 生成。",
    ),
    (
        "mqtt-busy",
        "The MQTT broker has no room now; the next one is tried.",
        "Raise the broker's limits, or add a broker.",
        "MQTT 服务器当前已满，正在尝试下一个。",
        "请调大服务器上限，或增加服务器。",
    ),
    (
        "mqtt-refused",
        "The MQTT broker refuses the connection.",
        "Read the detail, and the broker's log.",
        "MQTT 服务器拒绝连接。",
        "请查看详情和服务器日志。",
    ),
    (
        "mqtt-version",
        "The MQTT broker does not speak the version that the configuration asks for.",
        'Set protocol = "auto" in adapter.mqtt.',
        "MQTT 服务器不支持所配置的协议版本。",
        '请在 adapter.mqtt 中设置 protocol = "auto"。',
    ),
    (
        "mqtt-forged",
        "A message carries a wrong seal or none, though its sender is paired: somebody else made it, or the two hold "
        "different keys.",
        "If it is not an attack: pair the two anew, and set sealed to the same on both sides.",
        "消息签封错误或缺失：可能系伪造，或两端密钥不一致。",
        "若非攻击，请重新配对，并确认两端 sealed 设置一致。",
    ),
    (
        "mqtt-unpaired",
        "No broker is named, and this kit is paired with no center.",
        "Pair it (`fieldgate pair`), or set brokers of adapter.mqtt.",
        "未配置 MQTT 服务器，且本网关尚未与任何中心配对。",
        "请执行 `fieldgate pair` 配对，或设置 adapter.mqtt 的 brokers。",
    ),
    (
        "mqtt-no-certificate",
        "The certificate for the brokers of a paired center has not come yet; nothing is sent there before.",
        "The kit asks the console port of its center for it (TCP 8443): look that it is reached there. By hand: "
        "`fieldgate mqtt certificate` at the center, `fieldgate mqtt install` here.",
        "尚未取得已配对中心的 MQTT 证书，取得之前不会连接其服务器。",
        "终端站经中心的控制台端口（TCP 8443）申请证书，请检查该端口是否可达；也可手工处理：在中心执行 "
        "`fieldgate mqtt certificate`，在终端站执行 `fieldgate mqtt install`。",
    ),
    (
        "connecting",
        "A broker is being connected to.",
        "Wait a moment.",
        "正在连接服务器。",
        "请稍候。",
    ),
    (
        "broker-down",
        "The embedded MQTT broker does not run.",
        "Read the log lines before this; it is started again by itself.",
        "内置 MQTT 服务器未运行。",
        "请查看此前的日志；它会自动重启。",
    ),
    (
        "kit-silent",
        "Nothing was heard of the kit for three of its reporting periods, or it did not answer an order in time.",
        "Check the kit's power and links; it is online again with its first word.",
        "连续三个周期未收到该终端站的消息，或其未及时应答指令。",
        "请检查终端站的电源和链路；收到其消息后自动恢复在线。",
    ),
    (
        "kit-stopped",
        "The kit was stopped in order.",
        "Start it again when it is needed.",
        "该终端站已正常停机。",
        "需要时重新启动即可。",
    ),
    (
        "tls-clock",
        "The broker's certificate is not valid at this time: by this machine's clock it begins later, or has ended.",
        "Check the clocks of both (NTP, GNSS); renew the broker's certificate if it has ended.",
        "按本机时钟，服务器证书尚未生效或已过期。",
        "请检查两端时钟（NTP、GNSS）；若证书已过期请更新。",
    ),
    (
        "tls-untrusted",
        "The broker's certificate is not signed by an authority that this gateway trusts, or names another host.",
        "Set ca of adapter.mqtt to the authority that signed it; use the host name that stands in the certificate.",
        "服务器证书不受本网关信任，或主机名不符。",
        "请将 adapter.mqtt 的 ca 设为签发该证书的机构，并使用证书中的主机名。",
    ),
    (
        "tls-refused",
        "TLS with the broker fails.",
        "Check that the port speaks TLS and that the broker trusts the authority of this gateway's certificate.",
        "与服务器的 TLS 握手失败。",
        "请确认该端口为 TLS，且服务器信任签发本网关证书的机构。",
    ),
)
