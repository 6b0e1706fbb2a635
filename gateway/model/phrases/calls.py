"""What is told of voice calls by a modem, and of their sound, beside its reasons' codes."""

from __future__ import annotations

PHRASES = (
    # what the doctor finds
    ("modem {} sound", "模块 {} 的通话声音"),
    ("arecord and aplay are missing", "缺少 arecord 与 aplay"),
    ("reached when a call is up; no module was tried with it", "通话接通时连接；未在真实模块上验证"),
    ("{}; no module was tried with it", "{}；未在真实模块上验证"),
    # the setting
    ('"card", "card:NAME", or "pcm:" and a serial port', '应为 "card"、"card:名称"，或 "pcm:" 加串口'),
    ('"console", or the short name of a talk group', '应为 "console" 或对讲组的短名'),
    (
        "{}: digits, with + before an international number, and * at the end for all",
        "{}：只含数字，国际号码前加 +，末尾 * 表示全部",
    ),
    ("calls need their sound: set audio", "通话需要声音：请设置 audio"),
    (
        "the name of an ALSA device as `arecord -L` lists them, usb:1-1.3, or /dev/snd/by-path/…",
        "应为 `arecord -L` 列出的 ALSA 设备名、usb:1-1.3 或 /dev/snd/by-path/…",
    ),
    ("a port of calls.audio is that of another modem", "calls.audio 的端口与另一模块相同"),
    (
        'calls.audio "pcm:…" needs backend = "at": the commands that put a call\'s sound on a port go by the AT port, '
        'which ModemManager holds and lends in its debug mode only; set it, or use the modem\'s sound card ("card")',
        'calls.audio "pcm:…" 需要 backend = "at"：送出通话声音的指令经 AT 口下发，'
        "该口由 ModemManager 占用，只在调试模式下可借用；"
        '请设置 backend，或改用模块的声卡（"card"）',
    ),
    (
        "calls.audio is the AT port itself: the samples come on another one of the modem",
        "calls.audio 是 AT 口本身：采样在模块的另一端口",
    ),
    ("two modems have one sound card in calls.audio", "两个模块的 calls.audio 指向同一声卡"),
    # in a call
    ("{} has no sound card", "{} 没有声卡"),
    ("arecord and aplay are missing: install alsa-utils", "缺少 arecord 与 aplay：请安装 alsa-utils"),
    ("{} is in no USB socket: name the sound card in calls.audio", "{} 不在 USB 插口上：请在 calls.audio 中写明声卡"),
    (
        "the call is up but no sound comes from the modem: not one sample on {}",
        "通话已接通，但模块没有送出声音：{} 上没有任何采样",
    ),
    (
        "the call is up but no sound comes from the modem: only silence from {}",
        "通话已接通，但模块没有送出声音：{} 只有静音",
    ),
    (
        "chipset {}: no command is known that puts a call's sound on a serial port",
        "芯片 {}：没有将通话声音送到串口的已知指令",
    ),
    ("the port of the call's sound: {}", "通话声音的端口：{}"),
    ("a modem's call can not be put on hold", "模块通话不能保持"),
    ("a modem's call can not be transferred", "模块通话不能转接"),
    ("call {} does not wait to be answered", "呼叫 {} 不在等待接听"),
    ("call {} is not up", "呼叫 {} 尚未接通"),
    ("call {} is over", "呼叫 {} 已结束"),
    ('digits go by our own AT engine only (backend = "at")', '按键只能由自带 AT 引擎发送（backend = "at"）'),
    ("it rang for {} s", "振铃 {} 秒"),
    ("no modem may dial {}: it is not in calls.to", "没有模块可拨 {}：不在 calls.to 中"),
    ("not in calls.callers of {}", "不在 {} 的 calls.callers 中"),
    ("{} makes no voice calls", "{} 不支持语音通话"),
    ("{} has no network", "{} 没有网络"),
    ("{} is in a call", "{} 正在通话"),
    ("{}: {} minutes within a day are used up", "{}：一天内的 {} 分钟已用完"),
    ("the modem began anew", "模块已重新启动"),
    ("by the network", "由网络"),
)
