// Words of searching the network.

import type { Words } from "./types";

export const DISCOVER_TEXT = {
  discover: { en: "Find what is on the network", zh: "发现网络上的设备" },
  discoverStart: { en: "Search", zh: "搜索" },
  discoverStop: { en: "Stop", zh: "停止" },
  discoverListen: { en: "Listen to the wire as well", zh: "同时监听网线" },
  discoverRunning: { en: "Searching …", zh: "正在搜索…" },
  discoverNothing: { en: "Nothing was found. Cameras often have ONVIF switched off when new.", zh: "未发现任何设备。新摄像头常默认关闭 ONVIF。" },
  discoverCount: { en: "{0} found", zh: "发现 {0} 项" },
  discoverAdopt: { en: "Take it in", zh: "接入" },
  discoverAdopted: { en: "Taken in as {0}.", zh: "已接入，编号 {0}。" },
  discoverThere: { en: "is here as {0}", zh: "已接入为 {0}" },
  discoverUser: { en: "User (empty: as configured)", zh: "用户名（空：按配置）" },
  discoverPassword: { en: "Password (empty: the kit's)", zh: "密码（空：套件密码）" },
  discoverName: { en: "Name (may stay empty)", zh: "名称（可不填）" },
  "find.camera": { en: "camera", zh: "摄像头" },
  "find.source": { en: "source", zh: "视频源" },
  "find.stream": { en: "stream on the wire", zh: "网线上的码流" },
  "find.other": { en: "other device", zh: "其他设备" },
  "way.ws-discovery": { en: "WS-Discovery", zh: "WS-Discovery" },
  "way.mdns": { en: "mDNS", zh: "mDNS" },
  "way.ssdp": { en: "UPnP", zh: "UPnP" },
  "way.plug": { en: "plugged in here", zh: "本机接入" },
  "way.wire": { en: "heard on the wire", zh: "监听" },
} satisfies Record<string, Words>;
