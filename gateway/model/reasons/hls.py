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
        "hls-playlist",
        "The far side's playlist is not one that can be used.",
        "Check the address in a player; see the detail.",
        "对端的播放列表无法使用。",
        "请用播放器检查该地址；见详情。",
    ),
    (
        "hls-cipher",
        "The picture is ciphered in a way that can not be opened here.",
        "Ask the cloud for an address without copy protection (AES-128 is taken).",
        "画面采用本网关无法解密的加密方式。",
        "请向云平台索取无版权保护的地址（支持 AES-128）。",
    ),
    (
        "hls-segments",
        "The far side's segments are of a kind that is not known.",
        "MPEG-TS and fragmented MP4 are taken.",
        "对端的分片格式无法识别。",
        "支持 MPEG-TS 与分片 MP4。",
    ),
    (
        "hls-stale",
        "The far side's playlist shows nothing new any more.",
        "The camera behind it is probably off; it is tried again by itself.",
        "对端播放列表长时间没有更新。",
        "其后的摄像机可能已离线；系统会自动重试。",
    ),
    (
        "hls-sound-apart",
        "The sound stands in a playlist of its own and is left out.",
        "Choose an address whose segments hold picture and sound.",
        "声音位于独立的播放列表中，未接入。",
        "请选用画面与声音在同一分片内的地址。",
    ),
    (
        "source-refused",
        "The far side refuses the address or the password.",
        "Check both; an address that expires needs [adapter.pull.renew].",
        "对端拒绝该地址或密码。",
        "请核对；会过期的地址请配置 [adapter.pull.renew]。",
    ),
    (
        "source-gone",
        "The far side has nothing at this address.",
        "Check the path; an address that expires needs [adapter.pull.renew].",
        "对端在该地址上没有内容。",
        "请核对路径；会过期的地址请配置 [adapter.pull.renew]。",
    ),
    (
        "http-failed",
        "The far side answers with an error.",
        "See the detail for its number; it is tried again by itself.",
        "对端返回错误。",
        "错误码见详情；系统会自动重试。",
    ),
    (
        "http-broken",
        "The far side does not speak HTTP.",
        "Check host and port.",
        "对端返回的不是 HTTP。",
        "请核对主机与端口。",
    ),
    (
        "pull-unknown",
        "What the far side sends is no picture that is known.",
        "Say what it is: #format=hls, flv, ts, fmp4 or mjpeg.",
        "无法识别对端发送的内容。",
        "请注明格式：#format=hls、flv、ts、fmp4 或 mjpeg。",
    ),
    (
        "pull-unverified",
        "Certificates of HTTPS sources are not checked.",
        "Set adapter.pull.verify = true unless a source has a certificate of its own making.",
        "未校验 HTTPS 视频源的证书。",
        "除非视频源使用自签证书，请设 adapter.pull.verify = true。",
    ),
    (
        "renew-failed",
        "The address could not be renewed.",
        "Check [adapter.pull.renew]: its address, key and pointer; see the detail.",
        "播放地址续期失败。",
        "请检查 [adapter.pull.renew] 的地址、密钥与指针；见详情。",
    ),
    (
        "renew-unknown",
        "The source names a renewal that is not configured.",
        "Add [adapter.pull.renew.<name>], or correct #renew=.",
        "视频源所用的续期配置不存在。",
        "请添加 [adapter.pull.renew.<名称>]，或更正 #renew=。",
    ),
    (
        "renew-early",
        "The address was renewed a moment ago and is refused all the same.",
        "Wait; it is asked for again after [adapter.pull.renew] every.",
        "播放地址刚刚续期，仍被拒绝。",
        "请稍候；将按 [adapter.pull.renew] 的 every 间隔再次请求。",
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
