"""Reasons of: PTZ and commands."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
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
    (
        "no-picture-setting",
        "This camera's image settings (all, or one of those that were asked for) can not be set from here.",
        "Set them in the camera's own page.",
        "无法在此设置该摄像机的图像参数（全部，或所要求的某一项）。",
        "请在摄像机自己的网页中设置。",
    ),
    (
        "sip-worker-died",
        "A worker process of the second SIP engine ended; its calls ended with it, no other.",
        'Call again: the next call starts a new one. If it repeats, set engine = "native" for the trunk and report it.',
        "第二 SIP 引擎的工作进程已退出，仅其承载的通话中断。",
        '请重拨，新的呼叫会启动新进程；若反复出现，请将该中继设为 engine = "native" 并上报。',
    ),
)
