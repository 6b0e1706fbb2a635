"""Reasons of: HLS, as output and as source."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "hls-no-key",
        "The source sends no key frames, so HLS can not cut its picture into segments.",
        "Set the camera's key frame interval to 1 to 4 seconds.",
        "视频源长时间不发送关键帧，无法切分 HLS 分片。",
        "请将摄像机关键帧间隔设为 1 至 4 秒。",
    ),
    (
        "hls-gone",
        "This piece of the picture is not kept any more, or not there yet.",
        "Let the player go on at the live edge; it asked too late or too early.",
        "该视频分片已不再保留或尚未生成。",
        "请让播放器从最新位置继续播放。",
    ),
    (
        "ticket-unknown",
        "This link was not made here.",
        "Make a link for this stream again.",
        "该链接不是由本网关生成。",
        "请重新生成此视频流的链接。",
    ),
    (
        "ticket-ended",
        "This link has ended.",
        "Make a new one; adapter.hls.link_life says how long they last.",
        "该链接已过期。",
        "请重新生成；有效期由 adapter.hls.link_life 设定。",
    ),
)
