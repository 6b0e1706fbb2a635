"""Every reason the gateway may give, in words: what happened and what to do, Chinese and English.

A reason travels as its `code` (and a free `detail`); this is the one list of what the codes mean. The API, the
console, the log and `doctor` look it up here, so that a black tile always says why.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    code: str
    cause_en: str
    cure_en: str
    cause_zh: str
    cure_zh: str


def _table(*rows: tuple[str, str, str, str, str]) -> dict[str, Reason]:
    return {row[0]: Reason(*row) for row in rows}


# One row a code: code, cause (en), cure (en), cause (zh), cure (zh). Kept in groups; a house test holds
# every code used in the tree to this list.
REASONS: dict[str, Reason] = _table(
    # — general —
    (
        "internal",
        "The gateway made a mistake.",
        "It goes on by itself; if it repeats, report it with `fieldgate doctor --json` and `journalctl -u fieldgate`.",
        "网关内部错误。",
        "网关会自行恢复；若反复出现，请连同 `fieldgate doctor --json` 与 `journalctl -u fieldgate` 上报。",
    ),
    (
        "config",
        "A setting is wrong.",
        "Run `fieldgate config check`; it names the key and the cure.",
        "配置有误。",
        "运行 `fieldgate config check`，它会指出错误的键与改法。",
    ),
    (
        "protocol",
        "The peer sent something its protocol does not allow.",
        "Read in `journalctl -u fieldgate` what it sent, and update the device's firmware.",
        "对端发送了不符合协议的内容。",
        "在 `journalctl -u fieldgate` 中查看其发送内容，并升级设备固件。",
    ),
    (
        "peer-refused",
        "The device refused.",
        "See the detail for its own word; try again or ask the device's owner.",
        "设备拒绝了请求。",
        "查看详情中的设备答复；重试或联系设备方。",
    ),
    (
        "link-down",
        "The way to the peer is gone.",
        "The gateway keeps trying; check cable, radio or modem.",
        "与对端的链路中断。",
        "网关会持续重试；请检查网线、电台或模块。",
    ),
    (
        "busy",
        "In use by somebody of equal or higher right.",
        "Wait, or ask the holder named in the detail.",
        "正被同级或更高权限的人使用。",
        "请稍候，或联系详情中的占用人。",
    ),
    (
        "not-found",
        "There is nothing of that name.",
        "Check the id in the directory.",
        "没有这个名称的对象。",
        "请在目录中核对编号。",
    ),
    (
        "denied",
        "Your role does not allow this.",
        "Ask a technician or administrator.",
        "您的角色无此权限。",
        "请联系技术员或管理员。",
    ),
    (
        "unsupported",
        "The device can not do this.",
        "Use another device or function.",
        "设备不支持此功能。",
        "请改用其他设备或功能。",
    ),
    (
        "expired",
        "The order arrived after its deadline and was not carried out.",
        "Give it again; check the link's delay and the clocks.",
        "指令超过时限，未执行。",
        "请重新下达；检查链路时延与时钟。",
    ),
    # — streams —
    (
        "idle",
        "Nobody watches; the source is not asked.",
        "Open the picture to start it.",
        "无人观看，未向源请求。",
        "打开画面即可开始。",
    ),
    (
        "opening",
        "The source is being asked for its picture.",
        "Wait a moment.",
        "正在向源请求画面。",
        "请稍候。",
    ),
    (
        "waiting-media",
        "The device agreed to send; no packet has arrived yet.",
        "Wait; if it lasts, check firewall and NAT between device and gateway.",
        "设备已同意发送，尚未收到数据包。",
        "请稍候；若持续，请检查设备与网关之间的防火墙和 NAT。",
    ),
    (
        "waiting-key-frame",
        "Packets arrive; the picture begins with the next key frame.",
        "Wait; a key frame has been asked for.",
        "已收到数据，等待关键帧。",
        "请稍候，已请求关键帧。",
    ),
    (
        "no-media",
        "The device agreed to send, but no packet arrived.",
        "Open the media ports in the firewall, or set the device to TCP; the gateway tries the next transport by itself.",
        "设备已应答，但没有收到媒体包。",
        "放通媒体端口，或将设备改为 TCP；网关会自动尝试下一种传输方式。",
    ),
    (
        "media-stopped",
        "The packets stopped.",
        "The gateway asks again by itself; check the device's power and link.",
        "媒体数据中断。",
        "网关会自动重新请求；请检查设备供电与链路。",
    ),
    (
        "source-ended",
        "The device ended the stream.",
        "The gateway asks again while somebody watches.",
        "设备结束了码流。",
        "有人观看时网关会自动重新请求。",
    ),
    (
        "device-offline",
        "The device is not registered.",
        "Check its power, network and the platform settings in it.",
        "设备未注册。",
        "请检查设备供电、网络及其平台参数。",
    ),
    (
        "broadcast-refused",
        "The device refused the voice broadcast.",
        'Switch on its audio output in its own page; where it has none, set talk = "off" for it; older devices may want talk = "talk".',
        "设备拒绝语音广播。",
        '请在设备网页中启用音频输出；没有喇叭的设备设 talk = "off"；老设备可试 talk = "talk"。',
    ),
    (
        "broadcast-no-invite",
        "The device agreed to the voice broadcast and then did not call for the sound.",
        'Update its firmware; try talk_target = "channel" or "device", or talk = "talk" for it; it is asked again while somebody talks.',
        "设备同意语音广播后没有来请求音频。",
        '请升级固件；可为该设备试 talk_target = "channel" 或 "device"，或 talk = "talk"；有人讲话时网关会重试。',
    ),
    (
        "broadcast-no-ack",
        "The device asked for the sound and did not confirm our answer.",
        'Answers over UDP may be lost: set it to SIP over TCP; or set talk_start = "answer" for it.',
        "设备请求音频后没有确认应答。",
        'UDP 应答可能丢失，请改为 TCP 信令；或为该设备设 talk_start = "answer"。',
    ),
    (
        "talk-dropped",
        "The device hung up as soon as sound reached it, also when it was tried another way.",
        'Set its audio to G.711A, 8 kHz, and switch off its own talk sessions; then try talk_codec = "pcmu" for it.',
        "音频一到设备就挂断，换方式后仍然如此。",
        '请将设备音频设为 G.711A 8 kHz 并关闭设备自身的对讲；再为其试 talk_codec = "pcmu"。',
    ),
    (
        "talk-no-connection",
        "The TCP connection that was agreed on for the sound did not come about.",
        "Open media.rtp_ports for TCP both ways; or set the device's talk to UDP.",
        "约定的音频 TCP 连接未能建立。",
        "请双向放通 media.rtp_ports 的 TCP；或将设备对讲设为 UDP。",
    ),
    (
        "device-busy",
        "The device answered busy.",
        "It has no free stream; close other viewers of the device.",
        "设备忙。",
        "设备已无空闲码流，请关闭其他观看者。",
    ),
    (
        "invite-timeout",
        "The device did not answer the invitation.",
        "Check its link; the gateway tries again.",
        "设备未应答点播请求。",
        "请检查设备链路；网关会重试。",
    ),
    (
        "invite-refused",
        "The device refused the invitation.",
        "See its status in the detail; check channel id and stream settings.",
        "设备拒绝点播。",
        "查看详情中的状态码；核对通道编号与码流设置。",
    ),
    (
        "private-stream",
        "The device sends a private format, not PS, TS, H.264 or H.265.",
        "Switch off the vendor's private stream or stream encryption in the device.",
        "设备发送的是厂商私有码流。",
        "请在设备中关闭私有码流或码流加密。",
    ),
    (
        "audio-only",
        "Sound arrives, no picture.",
        "Check the camera's lens cover and encoder; a key frame has been asked for.",
        "只有声音，没有画面。",
        "请检查摄像头与编码器；已请求关键帧。",
    ),
    (
        "framing-lost",
        "The TCP media stream lost its framing.",
        "The gateway finds the next frame by itself; if it repeats, update the device.",
        "TCP 媒体流失去分帧。",
        "网关会自动重新同步；若反复出现请升级设备。",
    ),
    (
        "stream-panic",
        "The media engine gave this stream up after a fault of its own.",
        "It is opened again; if it repeats, report it with `fieldgate doctor --json` and `journalctl -u fieldgate`.",
        "媒体引擎内部故障，已放弃该码流。",
        "码流会自动重开；若反复出现，请连同 `fieldgate doctor --json` 与 `journalctl -u fieldgate` 上报。",
    ),
    (
        "events-lost",
        "The gateway was held up so long that messages of its media engine were lost.",
        "It asks the engine anew and goes on; if it repeats, the machine is overloaded: watch fewer streams at a time.",
        "网关阻塞过久，丢失了媒体引擎的部分消息。",
        "网关会重新查询并自行恢复；若反复出现，说明机器过载，请减少同时观看的码流。",
    ),
    (
        "ports-exhausted",
        "No media port is free.",
        "Widen media.rtp_ports in the configuration.",
        "媒体端口已用尽。",
        "请扩大配置项 media.rtp_ports。",
    ),
    # — viewers —
    (
        "codec-unsupported",
        "This browser can not play the camera's codec.",
        "Use a browser with that codec, or set the camera to H.264.",
        "此浏览器不能播放摄像机的编码格式。",
        "请换用支持该编码的浏览器，或将摄像机设为 H.264。",
    ),
    (
        "b-frames",
        "The camera sends B-frames, which browsers do not play over WebRTC.",
        "Switch B-frames off in the camera (baseline or main profile without B).",
        "摄像机发送 B 帧，浏览器 WebRTC 不能播放。",
        "请在摄像机中关闭 B 帧。",
    ),
    (
        "audio-unsupported",
        "The picture plays; its sound is in a codec browsers do not play.",
        "Set the camera's audio to G.711.",
        "画面可播放，但其音频编码浏览器不支持。",
        "请将摄像机音频设为 G.711。",
    ),
    (
        "bad-sdp",
        "The offer could not be understood.",
        "Use a WHEP or WHIP client; see the detail.",
        "无法解析 SDP。",
        "请使用 WHEP/WHIP 客户端；见详情。",
    ),
    (
        "ice-failed",
        "No path between viewer and gateway worked.",
        "Open the UDP port of webrtc.port in the firewall, or set a TURN server.",
        "观看端与网关之间没有可用路径。",
        "请放通 webrtc.port 的 UDP 端口，或设置 TURN 服务器。",
    ),
    (
        "too-many-viewers",
        "The limit of viewers is reached.",
        "Raise webrtc.max_sessions or close some.",
        "观看数已达上限。",
        "请调高 webrtc.max_sessions 或关闭部分观看。",
    ),
    (
        "viewer-slow",
        "This viewer's link is too slow; frames are left out up to the next key frame.",
        "Use the sub stream or a better link.",
        "观看端链路过慢，已丢帧至下一关键帧。",
        "请改用子码流或更好的链路。",
    ),
    (
        "dtls-failed",
        "The path works, but the encrypted connection could not be set up.",
        "Reload the page; check that nothing between rewrites or filters UDP, and that the browser is up to date.",
        "网络路径可用，但加密连接未能建立。",
        "请刷新页面；检查中间设备是否改写或过滤 UDP，并更新浏览器。",
    ),
    (
        "viewer-left",
        "The viewer closed the picture.",
        "Open it again.",
        "观看端已关闭画面。",
        "重新打开即可。",
    ),
    (
        "viewer-silent",
        "Nothing is heard from the viewer any more.",
        "The page connects again by itself; check the viewer's network.",
        "观看端已无响应。",
        "页面会自动重连；请检查观看端网络。",
    ),
    (
        "stream-removed",
        "This stream no longer exists.",
        "Choose another one in the directory.",
        "该码流已不存在。",
        "请在目录中选择其他码流。",
    ),
    (
        "session-replaced",
        "The same account publishes this stream anew.",
        "Nothing to do; the newer session carries it.",
        "同一账户已重新推送该码流。",
        "无需处理；由新会话继续。",
    ),
    (
        "ice-restart",
        "This gateway does not restart ICE within a session.",
        "Post a new offer; the page does so by itself.",
        "网关不支持会话内重启 ICE。",
        "请重新提交 offer；页面会自动处理。",
    ),
    (
        "stopping",
        "The gateway, or its WebRTC part, is being restarted.",
        "Wait a moment; the page connects again by itself.",
        "网关或其 WebRTC 部分正在重启。",
        "请稍候；页面会自动重连。",
    ),
    (
        "bad-url",
        "The address is not allowed.",
        "Allow its network in the configuration.",
        "地址不被允许。",
        "请在配置中放行该网络。",
    ),
    # — devices and registration —
    (
        "unknown-device",
        "A device with this id knocked; nobody admitted it.",
        "Admit it: `fieldgate devices admit`, or in the console.",
        "有未知设备尝试注册，尚未准入。",
        "执行 `fieldgate devices admit` 或在控制台准入。",
    ),
    (
        "wrong-password",
        "The device's password is wrong.",
        "Type the device's or the kit's password into the device.",
        "设备密码错误。",
        "请在设备中填写正确的设备密码或套件密码。",
    ),
    (
        "keepalive-lost",
        "The device fell silent.",
        "It comes back by itself; check its power and link.",
        "设备心跳丢失。",
        "设备会自动恢复；请检查供电与链路。",
    ),
    ("logged-out", "The device signed off.", "Switch it on again.", "设备已注销。", "请重新开启设备。"),
    (
        "device-fault",
        "The device says of itself that it has a fault.",
        "See its words in the detail; look into the device's own page. It is asked again every minute.",
        "设备自报故障。",
        "查看详情中的设备说明，并检查设备自身的网页；网关每分钟重新询问。",
    ),
    (
        "catalog-incomplete",
        "The device's catalogue came with items missing.",
        "It is asked for again; set the device to SIP over TCP if it repeats.",
        "设备目录不完整。",
        "网关会重新查询；若反复出现请将设备改为 TCP 信令。",
    ),
    (
        "restarted",
        "The gateway started anew and waits to hear from the device.",
        "Wait for its next keepalive.",
        "网关刚重启，等待设备心跳。",
        "请等待设备下一次心跳。",
    ),
    # — PTZ and commands —
    (
        "ptz-held",
        "Somebody else moves this camera.",
        "Wait until it is released, or ask the holder.",
        "他人正在控制此摄像机。",
        "请等待释放，或联系控制人。",
    ),
    (
        "no-ptz",
        "This camera can not be moved.",
        "Choose a camera with PTZ.",
        "此摄像机不支持云台。",
        "请选择带云台的摄像机。",
    ),
    # — radio channels —
    (
        "channel-busy",
        "Somebody is heard on the radio channel: PTT is held back until the squelch shuts.",
        "Wait for the end of the call there; if the squelch never shuts, open its threshold at the radio.",
        "电台信道上正有人讲话，静噪关闭前不发射。",
        "请等待对方讲完；若静噪一直打开，请在电台上调整静噪门限。",
    ),
    (
        "transmit-timeout",
        "The transmission reached its longest time; PTT was let go.",
        "Let the talk key go and press it again; look for a stuck key, or raise transmit_timeout of the channel.",
        "单次发射已达时限，已松开 PTT。",
        "请松开讲话键后再按；检查是否按键卡住，或调大该信道的 transmit_timeout。",
    ),
    (
        "serial-lost",
        "The serial port of the radio is not there, or was unplugged.",
        "Plug the adapter in again; use its name below /dev/serial/by-id/ and see `fieldgate doctor`.",
        "电台的串口不存在或已被拔出。",
        "请重新插入串口线；使用 /dev/serial/by-id/ 下的名称，并查看 `fieldgate doctor`。",
    ),
    (
        "sound-card",
        "The sound card of the radio can not be used.",
        "See the detail for the word of arecord or aplay; check the device's name with `arecord -L`, install alsa-utils.",
        "电台的声卡无法使用。",
        "详情中有 arecord 或 aplay 的提示；用 `arecord -L` 核对设备名，并安装 alsa-utils。",
    ),
    # — access —
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
    # — the machine —
    (
        "port-in-use",
        "A port the gateway needs is taken.",
        "Stop the program that holds it, or change the port in the configuration.",
        "所需端口已被占用。",
        "停止占用该端口的程序，或在配置中更换端口。",
    ),
    (
        "disk-full",
        "The disk is full; new records can not be kept.",
        "Free space; the gateway goes on live and keeps what it had.",
        "磁盘已满，无法保存新记录。",
        "请清理磁盘；网关继续实时业务并保留已有数据。",
    ),
    (
        "store-busy",
        "Too many records wait for the disk.",
        "Try again; if it lasts, the disk is slow or dying: replace it.",
        "等待写盘的记录过多。",
        "请重试；若持续出现，说明磁盘过慢或损坏，请更换。",
    ),
    (
        "store-fault",
        "The disk refused to write or read the gateway's records.",
        "Check the disk and the permissions of the state directory; live service goes on.",
        "磁盘拒绝读写网关记录。",
        "请检查磁盘与状态目录权限；实时业务继续。",
    ),
    (
        "store-corrupt",
        "The gateway's database is damaged.",
        "Restart the gateway: it moves the file aside and takes the last copy.",
        "网关数据库损坏。",
        "请重启网关：损坏文件会移到一旁，并启用最近的副本。",
    ),
    ("disk-low", "Little disk space is left.", "Free space soon.", "磁盘空间不足。", "请尽快清理磁盘。"),
    (
        "clock-jump",
        "The clock jumped.",
        "Check time synchronisation; running streams are not touched.",
        "系统时钟跳变。",
        "请检查时间同步；在播码流不受影响。",
    ),
    (
        "clock-unsynced",
        "The clock is not synchronised.",
        "Connect NTP or GNSS.",
        "时钟未同步。",
        "请接入 NTP 或 GNSS。",
    ),
    (
        "no-address",
        "This machine has no network address but loopback.",
        "Connect a network; browsers and devices reach the gateway by it.",
        "本机除回环地址外没有网络地址。",
        "请接入网络；浏览器与设备经此访问网关。",
    ),
    (
        "state-dir",
        "The state directory can not be written.",
        "Give it to the gateway's user, or name another with gateway.state_dir.",
        "状态目录不可写。",
        "请将其所有权交给网关用户，或用 gateway.state_dir 另行指定。",
    ),
    (
        "memory-low",
        "Little memory is left.",
        "Stop other programs; the gateway's own use is bounded.",
        "可用内存不足。",
        "请停止其他程序；网关自身内存有上限。",
    ),
    (
        "few-files",
        "Few files may be open at a time; each device and viewer takes one.",
        "Raise LimitNOFILE in the unit, or `ulimit -n`.",
        "可同时打开的文件数偏少；每台设备和每个观看各占一个。",
        "请调高单元文件中的 LimitNOFILE 或 `ulimit -n`。",
    ),
    (
        "small-buffers",
        "The kernel allows only small receive buffers; key frames may lose packets.",
        "Set `sysctl net.core.rmem_max=8388608`, for good in /etc/sysctl.d.",
        "内核允许的接收缓冲区偏小，关键帧可能丢包。",
        "设置 `sysctl net.core.rmem_max=8388608`，并写入 /etc/sysctl.d。",
    ),
    (
        "slow-sends",
        "The kernel can not cut large sends into packets (UDP_SEGMENT).",
        "Update to Linux 4.18 or newer; everything works, at two to three times the cost.",
        "内核不支持 UDP_SEGMENT 批量发送。",
        "请升级到 Linux 4.18 以上；功能正常，但发送开销为两到三倍。",
    ),
    (
        "slow-crypto",
        "The processor has no AES instructions; encryption costs several times more.",
        "Fewer viewers at a time, or another processor.",
        "处理器没有 AES 指令，加密开销增大数倍。",
        "请减少同时观看数，或更换处理器。",
    ),
    (
        "not-installed",
        "A part of this build is not installed.",
        "Install the extra that the detail names.",
        "所需组件未安装。",
        "请安装详情中指出的组件。",
    ),
)


def reason(code: str) -> Reason:
    """The words for `code`; for one that is not in the list, those of `internal` with the code kept."""
    found = REASONS.get(code)
    if found is not None:
        return found
    words = REASONS["internal"]
    return Reason(code, words.cause_en, words.cure_en, words.cause_zh, words.cure_zh)
