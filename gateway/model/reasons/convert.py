"""Reasons of: conversion and snapshots."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "convert-codec",
        "The source's codec is made into one that the viewer takes.",
        "Nothing needs doing; the source set to H.264 saves the gateway's processor.",
        "观看端不支持源的编码，网关正在转码。",
        "无需处理；将源设为 H.264 可节省网关算力。",
    ),
    (
        "convert-b-frames",
        "The source sends B-frames; they are taken out for viewers over WebRTC.",
        "Nothing needs doing; B-frames switched off in the source save the gateway's processor.",
        "源含有 B 帧，网关为 WebRTC 观看端转码去除。",
        "无需处理；在源端关闭 B 帧可节省网关算力。",
    ),
    (
        "convert-audio",
        "The source's sound is made into a codec that the viewer takes.",
        "Nothing needs doing.",
        "观看端不支持源的音频编码，网关正在转换。",
        "无需处理。",
    ),
    (
        "convert-smaller",
        "A smaller or slower picture was asked for and is made of the source's.",
        "Nothing needs doing; a camera with a sub stream can be asked for that one instead.",
        "观看端请求较小画面或较低帧率，网关正在转码。",
        "无需处理；若摄像机有子码流，也可直接使用子码流。",
    ),
    (
        "convert-budget",
        "The gateway's processor is taken up by other conversions: this one was refused or had to give way.",
        "Close other converted pictures, ask for a smaller one, set the source to H.264, or raise convert.cores.",
        "网关算力已被其他转码占用，此路转码被拒绝或让出。",
        "关闭其他需转码的画面、请求较小画面、将源设为 H.264，或提高 convert.cores。",
    ),
    (
        "convert-unavailable",
        "This picture or sound can not be converted here.",
        "Switch convert.enabled on; if it is on, see the detail and set the source to H.264 and G.711.",
        "此网关无法转换该画面或声音。",
        "请启用 convert.enabled；若已启用，请查看详情并将源设为 H.264 与 G.711。",
    ),
    (
        "convert-starting",
        "The conversion starts.",
        "Wait a moment.",
        "转码正在启动。",
        "请稍候。",
    ),
    (
        "convert-worker-died",
        "The process that converts this picture ended; another one is started.",
        "Wait; if it lasts, the source sends what no decoder takes: see the detail, and set it to H.264.",
        "转码进程意外退出，正在重新启动。",
        "请稍候；若持续，说明源码流无法解码，请查看详情并将源设为 H.264。",
    ),
    (
        "convert-worker-hung",
        "The process that converts this picture did not answer and was ended; another one is started.",
        "Wait; if it lasts, the gateway's processor is overloaded: close other pictures.",
        "转码进程无响应，已结束并重新启动。",
        "请稍候；若持续，说明网关算力不足，请关闭其他画面。",
    ),
    (
        "convert-no-output",
        "Pictures go into the conversion and none come out.",
        "Wait for the source's next key frame; if it lasts, set the source to H.264.",
        "转码有输入但没有输出。",
        "请等待下一个关键帧；若持续，请将源设为 H.264。",
    ),
    (
        "convert-slow",
        "The conversion does not keep up with the source; pictures are left out.",
        "Ask for a smaller picture, lower the source's resolution, or give the gateway more processor.",
        "转码跟不上源，正在丢帧。",
        "请求较小画面、降低源分辨率，或增加网关算力。",
    ),
    (
        "snapshot-busy",
        "Too many snapshots are being made.",
        "Ask again in a second.",
        "正在生成的快照过多。",
        "请一秒后重试。",
    ),
    (
        "snapshot-none",
        "No picture of this stream could be had in time.",
        "Check the stream's own state; ask again when it is live.",
        "未能及时获得该码流的画面。",
        "请检查该码流状态，待其在线后重试。",
    ),
)
