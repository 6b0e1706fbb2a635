"""Reasons of: what stands wrong in a transport stream or in a vehicle terminal's frames."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "ts-sync-lost",
        "The transport stream's packets do not follow each other: bytes are missing, or something else is among them.",
        "Look for loss on the way from the source; check that nothing else sends to the same address and port.",
        "传输流失去同步：途中丢失数据，或混入了其他内容。",
        "请检查信源到网关的丢包；确认没有其他设备向同一地址和端口发送。",
    ),
    (
        "ts-packets-lost",
        "Packets of the transport stream are missing; damaged pictures are left out up to the next key frame.",
        "Look for loss on the way from the source; over a weak link prefer SRT to bare UDP.",
        "传输流有丢包；受损画面丢弃至下一个关键帧。",
        "请检查途中丢包；弱链路建议用 SRT 代替裸 UDP。",
    ),
    (
        "ts-scrambled",
        "The transport stream is scrambled; its pictures can not be read.",
        "Switch off scrambling (conditional access, BISS) at the source, or take its clear output.",
        "传输流已加扰，无法读取画面。",
        "请在信源关闭加扰（CA、BISS），或使用其清流输出。",
    ),
    (
        "ts-table-damaged",
        "A table of the transport stream (PAT, PMT or SDT) is damaged and was left out.",
        "It is sent again many times a second; if the picture stays away look for loss on the way.",
        "传输流的节目表（PAT、PMT 或 SDT）损坏，已忽略。",
        "节目表会不断重发；若一直没有画面，请检查途中丢包。",
    ),
    (
        "ts-no-program",
        "The transport stream has no programme table, or not the programme that was asked for.",
        "Choose one of the numbers in the detail; check that the source sends PAT and PMT.",
        "传输流没有节目表，或没有所选节目。",
        "请选择详情中列出的节目号；确认信源发送 PAT 与 PMT。",
    ),
)
