"""Reasons of: kits and centers, and the links between them."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "kit-offline",
        "The kit is not here: no link of it reaches this center.",
        "Look at the kit's own console, or call somebody on site: power, SIM cards, antennas. It comes back by itself.",
        "该终端站不在线：没有任何链路到达本中心。",
        "请查看终端站自己的控制台或联系现场人员：电源、SIM 卡、天线；链路恢复后会自动重新上线。",
    ),
    (
        "kit-unreachable",
        "Nothing passes between the kit and this center at the moment; the session is kept.",
        "Wait: pictures go on by themselves with the first link that is back. The kit's links show which are out.",
        "终端站与本中心之间暂时完全不通，会话仍保留。",
        "请稍候：任一链路恢复后画面自动继续；可在终端站链路页查看哪些链路中断。",
    ),
    (
        "kit-no-bundle",
        "The kit is here by messages alone (MQTT): pictures and voices come by the link bundle, which is down.",
        "Pair the kit with this center (`fieldgate pair`) and open UDP 8444 or the console's port towards the center.",
        "该终端站仅通过消息（MQTT）在线：画面和语音需经链路捆绑传输，而捆绑链路未建立。",
        "请将终端站与本中心配对（`fieldgate pair`），并放行到中心的 UDP 8444 或控制台端口。",
    ),
    (
        "kit-link-out",
        "One of the kit's links carries nothing; the others do.",
        "Look at the link's reason on the kit's page; it is taken in again after ten good seconds.",
        "该终端站有一条链路不可用，其余链路正常。",
        "请在终端站页面查看该链路的原因；恢复良好 10 秒后会自动重新启用。",
    ),
    (
        "kit-unknown",
        "This kit was not admitted here.",
        "Run `fieldgate pair` on the kit and admit its code at the center.",
        "该终端站未在本中心准入。",
        "请在终端站运行 `fieldgate pair`，并在中心准入其配对码。",
    ),
    (
        "kit-revoked",
        "The center took this kit's admission back.",
        "If that was a mistake, admit the kit again at the center; a stolen kit stays out.",
        "中心已撤销该终端站的准入。",
        "若为误操作，请在中心重新准入；被盗的终端站应保持撤销。",
    ),
    (
        "kit-stale",
        "Somebody comes as this kit with a start of the past: a copy of its disk, or an old message.",
        "Let only one machine run with this kit's state folder. A restored backup is admitted again at the center.",
        "有设备以该终端站的过期启动序号接入：可能是其磁盘的副本或旧消息。",
        "请确保仅有一台机器使用该终端站的状态目录；若从备份恢复，请在中心重新准入。",
    ),
    (
        "kit-foreign-id",
        "A kit spoke of something that is not its own; it was not believed.",
        "Check that the kit's gateway.id is the one it was paired with, and that its software is ours.",
        "终端站上报了不属于自己的编号，已被拒绝。",
        "请检查该终端站的 gateway.id 是否与配对时一致，以及其软件是否为本产品。",
    ),
    (
        "kit-too-many",
        "A kit tells of more devices, streams or groups than a center takes of one.",
        "Divide them among several kits.",
        "终端站上报的设备、流或群组数量超过中心对单站的上限。",
        "请将其分配到多个终端站。",
    ),
    (
        "record-damaged",
        "What a kit or center told could not be understood.",
        "Run the same release on both; if it goes on, send a capture (`fieldgate capture`) to the maintainers.",
        "无法识别终端站或中心上报的内容。",
        "请在两端使用相同版本；若仍出现，请将抓包（`fieldgate capture`）发送给维护者。",
    ),
    (
        "rpc-damaged",
        "A kit and its center did not understand each other; they begin their conversation anew.",
        "Run the same release on both; if it goes on, send a capture (`fieldgate capture`) to the maintainers.",
        "终端站与中心之间的消息无法识别，正在重新建立会话。",
        "请在两端使用相同版本；若仍出现，请将抓包（`fieldgate capture`）发送给维护者。",
    ),
    (
        "rpc-full",
        "More waits for the far side than is kept: the link is too thin, or the far side does not take anything.",
        "Look at the links of the kit; what was refused may be asked again.",
        "等待发往对端的消息已达上限：链路太窄或对端没有接收。",
        "请查看终端站的链路；被拒绝的请求可稍后重试。",
    ),
    (
        "thumbnail-none",
        "The center has received no picture of this kit yet.",
        "Open one of its pictures at the center; then it is shown here with its age.",
        "中心尚未收到该终端站的任何画面。",
        "请在中心打开其任一画面，之后此处会显示缩略图及其时效。",
    ),
    (
        "pair-code",
        "That is no pairing code of this release, or a part of it is missing.",
        "Copy the whole code, from `fgp1:` (the kit's) or `fga1:` (the center's answer) to its end, or scan its QR.",
        "这不是有效的配对码，或内容不完整。",
        "请完整复制配对码（终端站为 `fgp1:` 开头，中心应答为 `fga1:` 开头），或扫描其二维码。",
    ),
    (
        "pair-ended",
        "The pairing code has ended: it is good for a quarter of an hour, and once.",
        "Run `fieldgate pair` again and use the new code.",
        "配对码已失效：有效期 15 分钟，且只能使用一次。",
        "请重新运行 `fieldgate pair`，并使用新的配对码。",
    ),
    (
        "pair-foreign",
        "That answer is for another code than those that are open on this kit.",
        "Use the answer to the kit's newest code; after a restart of the kit a new code is needed.",
        "该应答码与本站当前有效的配对码不对应。",
        "请使用最新配对码的应答；终端站重启后需重新生成配对码。",
    ),
    (
        "pair-intercepted",
        "What answered at the center's address is not the center that admitted the code.",
        "Check the address; if a proxy lies between, bring the answer by hand: `fieldgate pair accept`.",
        "该地址上的应答方不是准入此配对码的中心。",
        "请核对地址；若中间有代理，请人工录入应答码：`fieldgate pair accept`。",
    ),
    (
        "pair-key-known",
        "Another kit is paired with this center by the same key.",
        "If the kit was given a new gateway.id: forget it by its old one first (`fieldgate kits forget`). If it is a copy of "
        "another kit: remove bundle.key from the copy's state folder, restart it, and pair it anew.",
        "已有另一终端站以相同密钥与本中心配对。",
        "若终端站更换了 gateway.id：请先删除旧编号的记录（`fieldgate kits forget`）。若为其他终端站的副本：请删除副本状态目录中的 "
        "bundle.key，重启后重新配对。",
    ),
    (
        "pair-no-center",
        "This gateway, or what answers there, is no center.",
        'Set gateway.role = "center" there, and check the address and port.',
        "该网关（或该地址上的服务）不是中心。",
        '请在其配置中设置 gateway.role = "center"，并核对地址与端口。',
    ),
    (
        "pair-waiting",
        "The center has not admitted this code yet.",
        "Have somebody at the center admit it: `fieldgate kits admit CODE`, or Kits → Admit in the console.",
        "中心尚未准入该配对码。",
        "请中心人员准入：`fieldgate kits admit 配对码`，或在控制台“终端站 → 准入”。",
    ),
    (
        "duplicate-gateway",
        "Two gateways go by the same id.",
        "Give each its own gateway.id in its configuration, restart it, and pair it anew.",
        "有两个网关使用相同的编号。",
        "请为每个网关设置唯一的 gateway.id，重启后重新配对。",
    ),
    (
        "kit-by-text",
        "No link of this kit is left; how it stands it told by short message.",
        "See the age of what it told; answer by short message (`fieldgate sms send`), or call its satellite phone.",
        "该终端站已无可用链路，仅通过短信上报状态。",
        "请注意上报时间；可用短信回复（`fieldgate sms send`）或拨打其卫星电话。",
    ),
)
