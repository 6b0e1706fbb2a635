"""Reasons of: short messages, and the record that a kit sends when nothing else is left."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "text-carrier-down",
        "Nobody is there who can send this short message now.",
        "See the links for modems and satellite phones; the message waits and goes by itself.",
        "当前没有可用的短信通道。",
        "请在链路中查看模块和卫星电话；短信会等待并自动发送。",
    ),
    (
        "text-carrier-taken",
        "Two adapters carry short messages under one name.",
        "Give one of them another name in the configuration.",
        "两个适配器使用了同一短信通道名称。",
        "请在配置中为其中一个改名。",
    ),
    (
        "text-refused",
        "The network refused the short message.",
        "See the detail; check the number, the SIM's credit and whether the contract has short messages.",
        "网络拒绝了该短信。",
        "请查看详情；检查号码、SIM 卡余额以及是否开通短信。",
    ),
    (
        "text-unsure",
        "The answer of the network was lost: the message may have gone. It is sent again, so it may arrive twice.",
        "Nothing; if it happens often, look at the modem's signal and cable.",
        "网络应答丢失：短信可能已发出；会重发，因此对方可能收到两次。",
        "无需处理；若频繁出现，请检查模块信号与连接线。",
    ),
    (
        "text-too-long",
        "The message is longer than this network carries.",
        "Shorten it, or send it as several.",
        "短信超过该网络的长度限制。",
        "请缩短或分多条发送。",
    ),
    (
        "text-address",
        "That is no number that a short message can be sent to.",
        "Write a telephone number (+8613800000000), bd: with a BeiDou card number, or sbd: for Iridium.",
        "无法向该号码发送短信。",
        "请填写电话号码（+8613800000000）、bd: 加北斗卡号，或 sbd:（铱星）。",
    ),
    (
        "texts-full",
        "As many short messages wait as there is room for, none of them less important than this one.",
        "Wait until some have gone, or cancel some (`fieldgate sms cancel`).",
        "等待发送的短信已满，且没有优先级更低的可让位。",
        "请等待发送，或取消部分短信（`fieldgate sms cancel`）。",
    ),
    (
        "text-gave-way",
        "There was no room: a more important message took this one's place.",
        "Send it again when fewer messages wait.",
        "空间不足：更重要的短信占用了其位置。",
        "待等待的短信减少后请重发。",
    ),
    (
        "text-expired",
        "The message was not sent in time and is of no use any more.",
        "See the detail for what kept it; send it again if it is still wanted.",
        "短信未能在有效时间内发出，已失效。",
        "请查看详情中的原因；如仍需要请重发。",
    ),
    (
        "text-replaced",
        "A newer message of the same matter took this one's place before it was sent.",
        "Nothing.",
        "发送前已被同一事项的新短信取代。",
        "无需处理。",
    ),
    (
        "text-undelivered",
        "The network took the message but could not deliver it.",
        "Check that the far phone is on and the number right.",
        "网络已接收短信但未能送达。",
        "请确认对方开机且号码正确。",
    ),
)
