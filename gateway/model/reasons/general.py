"""Reasons of: general."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "internal",
        "The gateway made a mistake.",
        "It goes on by itself; if it repeats, report it with `fieldgate doctor --json` and `journalctl -u fieldgate`.",
        "网关内部错误。",
        "网关会自行恢复；若反复出现，请连同 `fieldgate doctor --json` 与 `journalctl -u fieldgate` 上报。",
    ),
    (
        "config",
        "A setting is wrong.",
        "Run `fieldgate config check`; it names the key and the cure.",
        "配置有误。",
        "运行 `fieldgate config check`，它会指出错误的键与改法。",
    ),
    (
        "protocol",
        "The peer sent something its protocol does not allow.",
        "Read in `journalctl -u fieldgate` what it sent, and update the device's firmware.",
        "对端发送了不符合协议的内容。",
        "在 `journalctl -u fieldgate` 中查看其发送内容，并升级设备固件。",
    ),
    (
        "peer-refused",
        "The device refused.",
        "See the detail for its own word; try again or ask the device's owner.",
        "设备拒绝了请求。",
        "查看详情中的设备答复；重试或联系设备方。",
    ),
    (
        "link-down",
        "The way to the peer is gone.",
        "The gateway keeps trying; check cable, radio or modem.",
        "与对端的链路中断。",
        "网关会持续重试；请检查网线、电台或模块。",
    ),
    (
        "busy",
        "In use by somebody of equal or higher right.",
        "Wait, or ask the holder named in the detail.",
        "正被同级或更高权限的人使用。",
        "请稍候，或联系详情中的占用人。",
    ),
    (
        "not-found",
        "There is nothing of that name.",
        "Check the id in the directory.",
        "没有这个名称的对象。",
        "请在目录中核对编号。",
    ),
    (
        "denied",
        "Your role does not allow this.",
        "Ask a technician or administrator.",
        "您的角色无此权限。",
        "请联系技术员或管理员。",
    ),
    (
        "unsupported",
        "The device can not do this.",
        "Use another device or function.",
        "设备不支持此功能。",
        "请改用其他设备或功能。",
    ),
    (
        "expired",
        "The order arrived after its deadline and was not carried out.",
        "Give it again; check the link's delay and the clocks.",
        "指令超过时限，未执行。",
        "请重新下达；检查链路时延与时钟。",
    ),
    (
        "map-none",
        "There is no base map on this machine.",
        'Put a PMTiles file here and name it: [map] file = "/var/lib/fieldgate/map.pmtiles".',
        "本机没有底图。",
        '请放置 PMTiles 文件并在配置中指定：[map] file = "/var/lib/fieldgate/map.pmtiles"。',
    ),
)
