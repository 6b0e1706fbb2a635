"""Reasons of: store and forward, MQTT."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "certificate-damaged",
        "A certificate or a request for one can not be used.",
        "Let the kit make its request anew and pair again; check that both files were copied whole.",
        "证书或证书请求无法使用。",
        "请让网关重新生成证书请求并再次配对；检查文件是否复制完整。",
    ),
    (
        "outbox-full",
        "More waits for a center than there is room for: the least important, oldest first, was given up.",
        "Bring the link to the center back, or raise rows or size of [forward]; a center that is no more: take it out "
        "of the configuration.",
        "等待上报中心的数据已超出容量，已按优先级从低到高、从旧到新放弃一部分。",
        "请恢复至中心的链路，或调大 [forward] 的 rows、size；若该中心已停用，请从配置中移除。",
    ),
    (
        "inbox-full",
        "The center has no room for more files of this kit.",
        "Look through the files at the center, delete what is not needed, or raise file_quota of [forward] there.",
        "中心为该网关保留的文件空间已满。",
        "请在中心清理文件，或调大中心 [forward] 的 file_quota。",
    ),
    (
        "file-damaged",
        "A file arrived whole, but is not what was announced; it is sent again from its beginning.",
        "Nothing, if it happens once. If it repeats, check memory and disk of the kit and of the center.",
        "文件已全部收到，但与申报内容不符，将从头重传。",
        "偶发可忽略；若反复出现，请检查网关与中心的内存和磁盘。",
    ),
    (
        "file-taken",
        "Another file has this id already.",
        "Send it anew, so that it gets an id of its own.",
        "该文件编号已被其他文件占用。",
        "请重新发送，以获得新的编号。",
    ),
    (
        "event-damaged",
        "An event of a kit could not be read; it was refused for good.",
        "Read the detail in the center's log; bring both sides to the same version.",
        "网关上报的事件无法解析，已永久拒收。",
        "请查看中心日志中的详情，并将两端升级到相同版本。",
    ),
)
