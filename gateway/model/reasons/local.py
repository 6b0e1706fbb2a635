"""Reasons of: cameras and microphones of this machine."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "local-unplugged",
        "The camera or microphone is not plugged in.",
        "Plug it in: it goes on by itself. `fieldgate sources local` lists what is there.",
        "摄像头或麦克风未接入。",
        "接入后自动恢复；可用 `fieldgate sources local` 查看已接入的设备。",
    ),
    (
        "local-busy",
        "Another program uses this camera or microphone.",
        "End that program.",
        "该摄像头或麦克风正被其他程序占用。",
        "请结束占用它的程序。",
    ),
    (
        "local-denied",
        "The gateway may not open this device.",
        "Put its user into the groups video and audio, and install the drop-in local-capture.conf of systemd/.",
        "网关无权打开该设备。",
        "请将运行用户加入 video 与 audio 组，并安装 systemd/ 中的 local-capture.conf。",
    ),
    (
        "local-worker",
        "The program that reads the device died.",
        "It is started again by itself; if it recurs, try another #format= or another cable.",
        "读取设备的进程已退出。",
        "系统会自动重启；若反复出现，请尝试其他 #format= 或更换线缆。",
    ),
    (
        "local-hung",
        "The device does not answer any more.",
        "Plug it out and in; its driver hangs.",
        "设备无响应。",
        "请重新插拔；其驱动可能已挂起。",
    ),
    (
        "local-workers",
        "As many devices as allowed are captured already.",
        "Raise adapter.local.workers.",
        "同时采集的设备数量已达上限。",
        "请调高 adapter.local.workers。",
    ),
)
