"""Reasons of: the machine."""

from __future__ import annotations

from gateway.model.reasons.row import Row

ROWS: tuple[Row, ...] = (
    (
        "port-in-use",
        "A port the gateway needs is taken.",
        "Stop the program that holds it, or change the port in the configuration.",
        "所需端口已被占用。",
        "停止占用该端口的程序，或在配置中更换端口。",
    ),
    (
        "disk-full",
        "The disk is full; new records can not be kept.",
        "Free space; the gateway goes on live and keeps what it had.",
        "磁盘已满，无法保存新记录。",
        "请清理磁盘；网关继续实时业务并保留已有数据。",
    ),
    (
        "store-busy",
        "Too many records wait for the disk.",
        "Try again; if it lasts, the disk is slow or dying: replace it.",
        "等待写盘的记录过多。",
        "请重试；若持续出现，说明磁盘过慢或损坏，请更换。",
    ),
    (
        "store-fault",
        "The disk refused to write or read the gateway's records.",
        "Check the disk and the permissions of the state directory; live service goes on.",
        "磁盘拒绝读写网关记录。",
        "请检查磁盘与状态目录权限；实时业务继续。",
    ),
    (
        "store-corrupt",
        "The gateway's database is damaged.",
        "Restart the gateway: it moves the file aside and takes the last copy.",
        "网关数据库损坏。",
        "请重启网关：损坏文件会移到一旁，并启用最近的副本。",
    ),
    ("disk-low", "Little disk space is left.", "Free space soon.", "磁盘空间不足。", "请尽快清理磁盘。"),
    (
        "clock-jump",
        "The clock jumped.",
        "Check time synchronisation; running streams are not touched.",
        "系统时钟跳变。",
        "请检查时间同步；在播码流不受影响。",
    ),
    (
        "clock-unsynced",
        "The clock is not synchronised.",
        "Connect NTP or GNSS.",
        "时钟未同步。",
        "请接入 NTP 或 GNSS。",
    ),
    (
        "no-address",
        "This machine has no network address but loopback.",
        "Connect a network; browsers and devices reach the gateway by it.",
        "本机除回环地址外没有网络地址。",
        "请接入网络；浏览器与设备经此访问网关。",
    ),
    (
        "state-dir",
        "The state directory can not be written.",
        "Give it to the gateway's user, or name another with gateway.state_dir.",
        "状态目录不可写。",
        "请将其所有权交给网关用户，或用 gateway.state_dir 另行指定。",
    ),
    (
        "memory-low",
        "Little memory is left.",
        "Stop other programs; the gateway's own use is bounded.",
        "可用内存不足。",
        "请停止其他程序；网关自身内存有上限。",
    ),
    (
        "few-files",
        "Few files may be open at a time; each device and viewer takes one.",
        "Raise LimitNOFILE in the unit, or `ulimit -n`.",
        "可同时打开的文件数偏少；每台设备和每个观看各占一个。",
        "请调高单元文件中的 LimitNOFILE 或 `ulimit -n`。",
    ),
    (
        "small-buffers",
        "The kernel allows only small receive buffers; key frames may lose packets.",
        "Set `sysctl net.core.rmem_max=8388608`, for good in /etc/sysctl.d.",
        "内核允许的接收缓冲区偏小，关键帧可能丢包。",
        "设置 `sysctl net.core.rmem_max=8388608`，并写入 /etc/sysctl.d。",
    ),
    (
        "slow-sends",
        "The kernel can not cut large sends into packets (UDP_SEGMENT).",
        "Update to Linux 4.18 or newer; everything works, at two to three times the cost.",
        "内核不支持 UDP_SEGMENT 批量发送。",
        "请升级到 Linux 4.18 以上；功能正常，但发送开销为两到三倍。",
    ),
    (
        "slow-crypto",
        "The processor has no AES instructions; encryption costs several times more.",
        "Fewer viewers at a time, or another processor.",
        "处理器没有 AES 指令，加密开销增大数倍。",
        "请减少同时观看数，或更换处理器。",
    ),
    (
        "tls-failed",
        "The encrypted connection could not be made; the detail says why (certificate, name, protocol version).",
        "Compare the certificate's names and authority with the configured server name and ca_file.",
        "加密连接无法建立，原因见详情（证书、名称或协议版本）。",
        "请核对证书中的名称与颁发机构是否与配置的服务器名称和 ca_file 一致。",
    ),
    (
        "dns-failed",
        "The server's name leads to no address.",
        "Check the name and the DNS servers, or write the address.",
        "服务器域名无法解析为地址。",
        "请检查域名与 DNS 服务器，或直接填写地址。",
    ),
    (
        "not-installed",
        "A part of this build is not installed.",
        "Install the extra that the detail names.",
        "所需组件未安装。",
        "请安装详情中指出的组件。",
    ),
)
