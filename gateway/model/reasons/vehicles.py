"""Reasons of: vehicle terminals (JT/T 808, JT/T 1078)."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "jt808-no-answer",
        "The vehicle terminal did not answer an order.",
        "Its bearer may be weak; it is asked again when somebody watches.",
        "车载终端未应答指令。",
        "可能是终端信号弱；有人观看时会再次下发。",
    ),
    (
        "jt808-encrypted",
        "The vehicle terminal sends encrypted messages.",
        "Switch off message encryption (RSA) in the terminal.",
        "车载终端发送加密消息。",
        "请在终端中关闭消息加密（RSA）。",
    ),
    (
        "jt808-twice",
        "Two vehicle terminals use the same number and push each other off the line.",
        "Give one of them its own number; both addresses stand in the log.",
        "两台车载终端使用同一终端号，互相挤下线。",
        "请为其中一台设置自己的终端号；日志中有两个地址。",
    ),
    (
        "jt1078-no-connection",
        "The vehicle terminal agreed to bring its picture, but did not connect.",
        "Check that the terminal's network reaches the gateway's JT/T 1078 port; set media_host to the address that it "
        "can reach.",
        "车载终端已应答，但未连接上传画面。",
        "请确认终端网络能访问网关的 JT/T 1078 端口；必要时在 media_host 填写其可达地址。",
    ),
    (
        "jt1078-other-address",
        "The picture came from another address than the vehicle terminal's signalling, and was not taken.",
        "Where the carrier's NAT gives its connections several addresses, set media_from_anywhere = true; else somebody "
        "brings pictures in its name: keep the port within the carrier's private network.",
        "上传画面的地址与车载终端的信令地址不同，已拒绝。",
        "若运营商 NAT 为其连接分配多个地址，请设置 media_from_anywhere = true；否则可能有人冒充该终端，请将端口限制在专网内。",
    ),
)
