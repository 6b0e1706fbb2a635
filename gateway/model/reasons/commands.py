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
        "sip-worker-died",
        "A worker process of the second SIP engine ended; its calls ended with it, no other.",
        'Call again: the next call starts a new one. If it repeats, set engine = "native" for the trunk and report it.',
        "第二 SIP 引擎的工作进程已退出，仅其承载的通话中断。",
        '请重拨，新的呼叫会启动新进程；若反复出现，请将该中继设为 engine = "native" 并上报。',
    ),
)
