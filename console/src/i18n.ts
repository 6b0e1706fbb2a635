// Chinese and English; the browser's choice unless the person made one.

import { DISCOVER_TEXT } from "./text_discover";
import { KITS_TEXT } from "./text_kits";
import { MESH_TEXT } from "./text_mesh";
import { PICTURE_TEXT } from "./text_picture";
import { SOURCES_TEXT } from "./text_sources";
import { TALK_TEXT } from "./text_talk";
import { TEXTS_TEXT } from "./text_texts";
import type { Lang, Words } from "./types";

const TEXT = {
  ...TALK_TEXT,
  ...SOURCES_TEXT,
  ...DISCOVER_TEXT,
  ...KITS_TEXT,
  ...MESH_TEXT,
  ...PICTURE_TEXT,
  ...TEXTS_TEXT,
  console: { en: "Console", zh: "控制台" },
  signIn: { en: "Sign in", zh: "登录" },
  signOut: { en: "Sign out", zh: "退出" },
  name: { en: "Name", zh: "用户名" },
  password: { en: "Password", zh: "密码" },
  codeFailed: { en: "This link was used already or is too old. Sign in, or ask for a new one.", zh: "该链接已使用或已过期。请登录，或索取新链接。" },
  search: { en: "Search devices", zh: "搜索设备" },
  devices: { en: "Devices", zh: "设备" },
  pictures: { en: "Pictures", zh: "画面" },
  control: { en: "Control", zh: "云台" },
  alarms: { en: "Alarms", zh: "告警" },
  positions: { en: "Positions", zh: "位置" },
  notices: { en: "Notices", zh: "通知" },
  reports: { en: "Reports", zh: "上报" },
  noReports: { en: "Nothing was reported by phone. Invite somebody on site: a link or QR code is all they need.", zh: "暂无手机上报。邀请现场人员：对方只需一个链接或二维码。" },
  "report.photo": { en: "photo", zh: "照片" },
  "report.voice": { en: "voice note", zh: "语音" },
  "report.text": { en: "text", zh: "文字" },
  "report.position": { en: "position", zh: "位置" },
  reportSeen: { en: "Seen", zh: "已阅" },
  reportComing: { en: "still on its way from the phone", zh: "正在从手机传送" },
  reportFile: { en: "Download", zh: "下载" },
  invite: { en: "Invite a phone", zh: "邀请手机" },
  inviteWho: { en: "Who", zh: "对象" },
  inviteWhere: { en: "Where", zh: "地点" },
  inviteHours: { en: "Hours", zh: "有效小时" },
  invitePhones: { en: "Phones", zh: "手机数" },
  inviteMake: { en: "Make a link", zh: "生成链接" },
  inviteLink: { en: "Link", zh: "链接" },
  inviteOnce: { en: "Shown this once: let it be scanned or send it now.", zh: "仅显示这一次：请立即扫码或发送。" },
  inviteLeft: { en: "{0} left", zh: "剩余 {0}" },
  inviteRevoke: { en: "Revoke", zh: "撤销" },
  pending: { en: "Waiting to be admitted", zh: "待准入设备" },
  admit: { en: "Admit", zh: "准入" },
  admitName: { en: "Name (may stay empty)", zh: "名称（可不填）" },
  times: { en: "knocked {0} times", zh: "尝试 {0} 次" },
  noDevices: { en: "No device yet. Point one at this gateway: it appears here and waits to be admitted.", zh: "尚无设备。将设备的平台地址指向本网关，它会出现在这里等待准入。" },
  noMatch: { en: "Nothing of that name.", zh: "没有匹配的设备。" },
  noChannels: { en: "It has told no channel yet.", zh: "尚未上报通道。" },
  choose: { en: "Choose a channel on the left to see its picture.", zh: "在左侧选择通道即可观看画面。" },
  online: { en: "online", zh: "在线" },
  offline: { en: "offline", zh: "离线" },
  degraded: { en: "degraded", zh: "部分异常" },
  idle: { en: "idle", zh: "未观看" },
  opening: { en: "opening", zh: "正在打开" },
  waiting: { en: "waiting", zh: "等待重试" },
  removed: { en: "removed", zh: "已移除" },
  keyFrame: { en: "waiting for a key frame", zh: "等待关键帧" },
  live: { en: "live", zh: "实时" },
  stalled: { en: "stalled {0}", zh: "画面停滞 {0}" },
  stalledWord: { en: "stalled", zh: "停滞" },
  reconnecting: { en: "reconnecting", zh: "正在重连" },
  lastPicture: { en: "last picture {0} ago", zh: "最后画面：{0}前" },
  retryIn: { en: "next attempt in {0}", zh: "{0}后重试" },
  retryAside: { en: "(Next attempt in {0}.)", zh: "（{0}后重试）" },
  again: { en: "Try now", zh: "立即重试" },
  close: { en: "Close", zh: "关闭" },
  full: { en: "Full screen", zh: "全屏" },
  sound: { en: "Sound on", zh: "打开声音" },
  mute: { en: "Sound off", zh: "关闭声音" },
  tapSound: { en: "Click for sound", zh: "点击打开声音" },
  tapPlay: { en: "Click to play", zh: "点击播放" },
  codec: { en: "codec", zh: "编码" },
  fps: { en: "fps", zh: "帧率" },
  fpsOf: { en: "{0} fps", zh: "{0} 帧/秒" },
  size: { en: "size", zh: "分辨率" },
  rate: { en: "rate", zh: "码率" },
  delay: { en: "delay", zh: "时延" },
  loss: { en: "loss", zh: "丢包" },
  frameAge: { en: "last frame", zh: "末帧" },
  madeOf: { en: "converted", zh: "转换" },
  fromDevice: { en: "from the device", zh: "设备侧" },
  fromGateway: { en: "to this page", zh: "至本页" },
  up: { en: "Up", zh: "上" },
  down: { en: "Down", zh: "下" },
  left: { en: "Left", zh: "左" },
  right: { en: "Right", zh: "右" },
  zoom: { en: "Zoom", zh: "变倍" },
  focus: { en: "Focus", zh: "聚焦" },
  iris: { en: "Iris", zh: "光圈" },
  speed: { en: "Speed", zh: "速度" },
  presets: { en: "Presets", zh: "预置位" },
  go: { en: "Go", zh: "调用" },
  save: { en: "Save here", zh: "设为当前" },
  presetName: { en: "Name", zh: "名称" },
  presetNumber: { en: "No.", zh: "编号" },
  more: { en: "Lens and presets", zh: "镜头与预置位" },
  holder: { en: "{0} moves this camera", zh: "{0} 正在控制" },
  free: { en: "nobody moves it", zh: "当前无人控制" },
  noRight: { en: "Your role may look, not move.", zh: "您的角色只能观看，不能控制。" },
  noCamera: { en: "Choose a picture to move its camera.", zh: "请先选择画面。" },
  keysHint: { en: "Hold to move. Keys: arrows, + and −.", zh: "按住转动。键盘：方向键、+、−。" },
  acknowledge: { en: "Acknowledge", zh: "确认" },
  acknowledged: { en: "acknowledged", zh: "已确认" },
  noAlarms: { en: "No alarm.", zh: "暂无告警。" },
  noPositions: { en: "No position was told.", zh: "暂无位置信息。" },
  noNotices: { en: "Nothing to tell.", zh: "暂无通知。" },
  repeats: { en: "×{0}", zh: "×{0}" },
  critical: { en: "critical", zh: "紧急" },
  major: { en: "major", zh: "重要" },
  minor: { en: "minor", zh: "次要" },
  warning: { en: "warning", zh: "警告" },
  "kind.video-loss": { en: "picture lost", zh: "视频丢失" },
  "kind.tamper": { en: "device opened or moved", zh: "设备防拆" },
  "kind.disk-full": { en: "disk full", zh: "存储已满" },
  "kind.hot": { en: "too hot", zh: "设备高温" },
  "kind.cold": { en: "too cold", zh: "设备低温" },
  "kind.manual": { en: "raised by hand", zh: "人工报警" },
  "kind.motion": { en: "motion", zh: "移动侦测" },
  "kind.left-object": { en: "object left behind", zh: "遗留物" },
  "kind.removed-object": { en: "object taken away", zh: "物品移除" },
  "kind.tripwire": { en: "line crossed", zh: "绊线越界" },
  "kind.intrusion": { en: "intrusion", zh: "入侵" },
  "kind.retrograde": { en: "wrong direction", zh: "逆行" },
  "kind.loitering": { en: "loitering", zh: "徘徊" },
  "kind.flow": { en: "count of passers-by", zh: "流量统计" },
  "kind.density": { en: "crowd", zh: "密度过高" },
  "kind.abnormal": { en: "picture abnormal", zh: "视频异常" },
  "kind.fast-move": { en: "fast movement", zh: "快速移动" },
  "kind.occlusion": { en: "lens covered", zh: "镜头遮挡" },
  "kind.disk-fault": { en: "disk fault", zh: "磁盘故障" },
  "kind.fan-fault": { en: "fan fault", zh: "风扇故障" },
  "kind.emergency-call": { en: "emergency call in a talk group", zh: "对讲组紧急呼叫" },
  "kind.phone": { en: "alarm by telephone", zh: "电话报警" },
  "kind.sms": { en: "alarm by text message", zh: "短信报警" },
  "kind.gps": { en: "alarm with a position", zh: "卫星定位报警" },
  "kind.fault": { en: "device fault", zh: "设备故障" },
  "kind.live-offered": { en: "live picture reported from the field", zh: "现场一键上报" },
  "kind.digital-input": { en: "alarm input", zh: "报警输入" },
  "kind.object": { en: "person or vehicle", zh: "人员或车辆" },
  "kind.sound": { en: "sound detected", zh: "声音侦测" },
  "kind.emergency": { en: "emergency button", zh: "紧急报警" },
  "kind.overspeed": { en: "too fast", zh: "超速" },
  "kind.fatigue": { en: "driver tired", zh: "疲劳驾驶" },
  "kind.danger": { en: "danger ahead", zh: "危险预警" },
  "kind.gnss-fault": { en: "satellite receiver fault", zh: "卫星定位模块故障" },
  "kind.gnss-antenna": { en: "satellite antenna fault", zh: "卫星天线故障" },
  "kind.power-low": { en: "power low", zh: "主电源欠压" },
  "kind.power-lost": { en: "power lost", zh: "主电源掉电" },
  "kind.camera-fault": { en: "camera fault", zh: "摄像头故障" },
  "kind.video-fault": { en: "recorder fault", zh: "视频设备故障" },
  "kind.area": { en: "area entered or left", zh: "进出区域" },
  "kind.route": { en: "off the route", zh: "路线偏离" },
  "kind.stolen": { en: "vehicle stolen", zh: "车辆被盗" },
  "kind.illegal-start": { en: "started without leave", zh: "非法点火" },
  "kind.illegal-move": { en: "moved without leave", zh: "非法位移" },
  "kind.collision": { en: "collision", zh: "碰撞" },
  "kind.rollover": { en: "rolled over", zh: "侧翻" },
  "kind.door": { en: "door opened without leave", zh: "非法开门" },
  "kind.other": { en: "alarm", zh: "其他告警" },
  cleared: { en: "cleared", zh: "已恢复" },
  accuracy: { en: "±{0} m", zh: "精度 ±{0} 米" },
  accuracyUnknown: { en: "accuracy not told", zh: "精度未知" },
  gnss: { en: "satellite", zh: "卫星" },
  catalog: { en: "typed in at installation", zh: "安装时填写" },
  network: { en: "network", zh: "网络" },
  manual: { en: "by hand", zh: "人工" },
  ago: { en: "{0} ago", zh: "{0}前" },
  connected: { en: "connected", zh: "已连接" },
  disconnected: { en: "gateway not reachable, trying again", zh: "网关不可达，正在重试" },
  done: { en: "Done.", zh: "完成。" },
  viewers: { en: "{0} watching", zh: "{0} 人观看" },
  contrast: { en: "High contrast", zh: "高对比度" },
  auditorOnly: { en: "An auditor reads the audit record by the API; there are no pictures for this role.", zh: "审计员通过 API 查阅审计记录；该角色不可观看画面。" },
} satisfies Record<string, Words>;

export type Key = keyof typeof TEXT;

const STORED = "fieldgate.lang";
let lang: Lang = choose(localStorage.getItem(STORED), navigator.languages ?? [navigator.language]);

const names = new Intl.Collator(["zh-CN", "en"], { numeric: true });
/** The order of names: Chinese ones by their sound, numbers by their size. */
export const byName = (a: string, b: string): number => names.compare(a, b);

export function choose(stored: string | null, wanted: readonly string[]): Lang {
  if (stored === "zh" || stored === "en") return stored;
  return wanted[0]?.toLowerCase().startsWith("zh") ? "zh" : "en";
}

export function language(): Lang {
  return lang;
}

export function setLanguage(to: Lang): void {
  lang = to;
  localStorage.setItem(STORED, to);
  document.documentElement.lang = to;
}

export function t(key: Key, ...values: (string | number)[]): string {
  return TEXT[key][lang].replace(/\{(\d)\}/g, (_, place: string) => String(values[Number(place)] ?? ""));
}

/** A key made from data ("stream state"), with the data itself where there is no word for it. */
export function word(key: string): string {
  return key in TEXT ? t(key as Key) : key;
}

/** What an adapter calls an alarm. Every kind that ours give has words; a test holds the two lists together. */
export function kindWord(kind: string): string {
  const key = `kind.${kind}`;
  return key in TEXT ? t(key as Key) : kind;
}

/** A clock that counts: 0:07, 12:34, 1:02:03. */
export function counted(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const pad = (value: number): string => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  return hours ? `${hours}:${pad(minutes)}:${pad(whole % 60)}` : `${minutes}:${pad(whole % 60)}`;
}

export function say(words: Words | null): string {
  return words ? words[lang] : "";
}

/** Seconds as people say them. */
export function span(seconds: number): string {
  const units: [number, string, string][] = [
    [86400, " d", " 天"],
    [3600, " h", " 小时"],
    [60, " min", " 分钟"],
  ];
  for (const [factor, en, zh] of units) {
    if (seconds >= 2 * factor) return `${Math.round(seconds / factor)}${lang === "zh" ? zh : en}`;
  }
  return `${Math.max(0, Math.round(seconds))}${lang === "zh" ? " 秒" : " s"}`;
}

document.documentElement.lang = lang;
