"""Reasons of: voice calls by a modem."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "call-no-sound",
        "The call is up but no sound comes from the modem.",
        'Look at the detail. `calls.audio = "pcm:…"`: is it the right port (Quectel: NMEA, SIMCom: interface 4)? "card": has the module its USB sound switched on (Quectel: `AT+QCFG="usbcfg"`), is it the right card (`arecord -l`)? Or the far side is muted.',
        "通话已接通，但模块没有送出声音。",
        '请看详情。`calls.audio = "pcm:…"`：端口是否正确（移远为 NMEA 口，芯讯通为接口 4）？"card"：模块是否已打开 USB 声卡（移远 `AT+QCFG="usbcfg"`），声卡是否正确（`arecord -l`）？也可能是对方静音。',
    ),
    (
        "call-no-sound-way",
        "The modem was not brought to give a call's sound: no command is known for it, or it refused.",
        'Set `chipset` if the modem was not recognised, use its sound card (`calls.audio = "card"`) or another card wired to it; the detail has the modem\'s word.',
        "无法让模块送出通话声音：没有适用的指令，或指令被拒绝。",
        '若模块未被识别，请设置 `chipset`；或改用其声卡（`calls.audio = "card"`）或外接声卡；详情中有模块的答复。',
    ),
    (
        "modem-in-call",
        "The modem is in a call; it carries one at a time.",
        "Wait until it has ended, hang it up, or allow the number at another modem too.",
        "该模块正在通话，一次只能进行一路。",
        "请等待或挂断该通话，或在其他模块上也放行此号码。",
    ),
    (
        "modem-call-budget",
        "The modem's call minutes of this day are used up (`calls.day_budget`).",
        "Wait, call by another way, or raise `day_budget`; numbers in `calls.emergency` go all the same.",
        "该模块今日通话时长已用完（`calls.day_budget`）。",
        "请稍候、改用其他方式或调高 `day_budget`；`calls.emergency` 中的号码不受限制。",
    ),
    (
        "modem-budget-unknown",
        "How long this modem called today can not be read or kept; its calls go all the same.",
        "Look at the disk (`fieldgate doctor`). A file that can not be read is written anew by the next call; remove it to be rid of this word at once.",
        "该模块今日的通话时长记录无法读取或保存；通话不受影响。",
        "请检查磁盘（`fieldgate doctor`）。无法读取的文件会在下次通话时重写；删除该文件可立即消除此提示。",
    ),
    (
        "modem-no-voice",
        "This modem, or its contract, makes no voice calls.",
        "Use a module and card with voice (VoLTE); many data cards have none.",
        "该模块或其套餐不支持语音通话。",
        "请使用支持语音（VoLTE）的模块与卡；许多数据卡没有语音。",
    ),
    (
        "caller-denied",
        "A call was refused: the caller is not among those whose calls this modem takes.",
        "If it is meant, add the number to `calls.callers` of the modem.",
        "来电已拒接：主叫不在该模块允许的来电号码中。",
        "如需接听，请将该号码加入该模块的 `calls.callers`。",
    ),
)
