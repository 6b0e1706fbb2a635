"""Reasons of: radio channels."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
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
        "The serial port is not there, or the device was unplugged.",
        "Plug it in again; use its name below /dev/serial/by-path/ or by-id/ and see `fieldgate doctor`.",
        "串口不存在，或设备已被拔出。",
        "请重新插好；使用 /dev/serial/by-path/ 或 by-id/ 下的名称，并查看 `fieldgate doctor`。",
    ),
    (
        "serial-unreached",
        "Nobody answers at that address and TCP port.",
        "Look at the power and the network of the device server, and at its address and port in the configuration.",
        "该地址与 TCP 端口无应答。",
        "请检查串口服务器的供电与网络，以及配置中的地址与端口。",
    ),
    (
        "sound-card",
        "The sound card (of the radio, or of the modem's call) can not be used.",
        "See the detail for the word of arecord or aplay; check the device's name with `arecord -L`, install alsa-utils.",
        "声卡（电台的，或模块通话的）无法使用。",
        "详情中有 arecord 或 aplay 的提示；用 `arecord -L` 核对设备名，并安装 alsa-utils。",
    ),
)
