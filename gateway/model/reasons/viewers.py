"""Reasons of: viewers."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "codec-unsupported",
        "This browser can not play the camera's codec.",
        "Use a browser with that codec, or set the camera to H.264.",
        "此浏览器不能播放摄像机的编码格式。",
        "请换用支持该编码的浏览器，或将摄像机设为 H.264。",
    ),
    (
        "b-frames",
        "The camera sends B-frames, which browsers do not play over WebRTC.",
        "Switch B-frames off in the camera (baseline or main profile without B).",
        "摄像机发送 B 帧，浏览器 WebRTC 不能播放。",
        "请在摄像机中关闭 B 帧。",
    ),
    (
        "audio-unsupported",
        "The picture plays; its sound is in a codec browsers do not play.",
        "Set the camera's audio to G.711.",
        "画面可播放，但其音频编码浏览器不支持。",
        "请将摄像机音频设为 G.711。",
    ),
    (
        "bad-sdp",
        "The offer could not be understood.",
        "Use a WHEP or WHIP client; see the detail.",
        "无法解析 SDP。",
        "请使用 WHEP/WHIP 客户端；见详情。",
    ),
    (
        "ice-failed",
        "No path between viewer and gateway worked.",
        "Open the UDP port of webrtc.port in the firewall, or set a TURN server.",
        "观看端与网关之间没有可用路径。",
        "请放通 webrtc.port 的 UDP 端口，或设置 TURN 服务器。",
    ),
    (
        "too-many-viewers",
        "The limit of viewers is reached.",
        "Raise webrtc.max_sessions or close some.",
        "观看数已达上限。",
        "请调高 webrtc.max_sessions 或关闭部分观看。",
    ),
    (
        "viewer-slow",
        "This viewer's link is too slow; frames are left out up to the next key frame.",
        "Use the sub stream or a better link.",
        "观看端链路过慢，已丢帧至下一关键帧。",
        "请改用子码流或更好的链路。",
    ),
    (
        "dtls-failed",
        "The path works, but the encrypted connection could not be set up.",
        "Reload the page; check that nothing between rewrites or filters UDP, and that the browser is up to date.",
        "网络路径可用，但加密连接未能建立。",
        "请刷新页面；检查中间设备是否改写或过滤 UDP，并更新浏览器。",
    ),
    (
        "viewer-left",
        "The viewer closed the picture.",
        "Open it again.",
        "观看端已关闭画面。",
        "重新打开即可。",
    ),
    (
        "viewer-silent",
        "Nothing is heard from the viewer any more.",
        "The page connects again by itself; check the viewer's network.",
        "观看端已无响应。",
        "页面会自动重连；请检查观看端网络。",
    ),
    (
        "stream-removed",
        "This stream no longer exists.",
        "Choose another one in the directory.",
        "该码流已不存在。",
        "请在目录中选择其他码流。",
    ),
    (
        "session-replaced",
        "The same account came anew: it publishes this stream, or sits in this group, in a newer session.",
        "Nothing to do; the newer session carries it.",
        "同一账户已重新连接（推流或加入对讲组）。",
        "无需处理；由新会话继续。",
    ),
    (
        "ice-restart",
        "This gateway does not restart ICE within a session.",
        "Post a new offer; the page does so by itself.",
        "网关不支持会话内重启 ICE。",
        "请重新提交 offer；页面会自动处理。",
    ),
    (
        "stopping",
        "The gateway, or its WebRTC part, is being restarted.",
        "Wait a moment; the page connects again by itself.",
        "网关或其 WebRTC 部分正在重启。",
        "请稍候；页面会自动重连。",
    ),
)
