"""Reasons of: phones on site and their reports."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "phones-off",
        "No phones can be invited: this gateway does not serve them.",
        "Add [adapter.phone] to the configuration.",
        "无法邀请手机：本网关未启用手机接入。",
        "请在配置中加入 [adapter.phone]。",
    ),
    (
        "invitation-unknown",
        "This invitation is not known here.",
        "Open the whole link again, or ask for a new one.",
        "此邀请无效。",
        "请重新打开完整链接，或索取新的邀请。",
    ),
    (
        "invitation-ended",
        "The invitation has ended.",
        "Ask for a new link; open it on this phone and what is kept here is sent.",
        "邀请已失效。",
        "请索取新链接并在本机打开，手机中保存的内容将继续发送。",
    ),
    (
        "invitation-used-up",
        "As many phones as were invited use this link already.",
        "Ask for a link of your own.",
        "使用此链接的手机数量已满。",
        "请索取单独的链接。",
    ),
    (
        "phone-away",
        "The phone has not been heard of for a while.",
        "It comes back when its page is open and it has signal.",
        "手机已有一段时间没有联系。",
        "打开页面并恢复信号后会自动重连。",
    ),
    (
        "report-taken",
        "Another report has this number already.",
        "Make the report anew.",
        "该编号已被其他上报占用。",
        "请重新制作上报内容。",
    ),
    (
        "report-damaged",
        "What arrived is not what the phone announced.",
        "The phone sends it again from the beginning by itself.",
        "收到的内容与手机声明的不一致。",
        "手机会自动从头重新发送。",
    ),
    (
        "reports-full",
        "The space for reports is used up.",
        "Delete old reports or raise reports.quota; the phones keep theirs and send them then.",
        "上报内容的存储配额已用完。",
        "请删除旧的上报或调高 reports.quota；手机会保留内容并在之后发送。",
    ),
    (
        "report-pile",
        "This phone has too many unfinished reports.",
        "Keep its page open with signal until they are sent.",
        "该手机未完成的上报过多。",
        "请在有信号时保持页面打开，直至发送完成。",
    ),
    (
        "report-rate",
        "This phone has made as many reports as are taken within an hour (600).",
        "It keeps the others and sends them later by itself; end its invitation if nobody can have made so many.",
        "该手机一小时内的上报已达上限（600 条）。",
        "手机会保留其余内容并稍后自动发送；若不可能有人上报这么多，请终止其邀请。",
    ),
)
