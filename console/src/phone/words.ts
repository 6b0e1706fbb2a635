// The page's words, Chinese and English, as plain as can be.

type Pair = [string, string];

const TEXT = {
  title: ["现场上报", "Report from site"],
  swap: ["English", "中文"],
  live: ["实时画面", "Live"],
  photo: ["拍照", "Photo"],
  voice: ["语音", "Voice"],
  text: ["文字", "Text"],
  position: ["位置", "Place"],
  doLive: ["发送实时画面", "Send live picture"],
  doPhoto: ["拍照上报", "Take a photo"],
  doVoice: ["按一下开始说话", "Tap and speak"],
  doText: ["发送文字", "Send text"],
  doPosition: ["发送我的位置", "Send my position"],
  stopLive: ["停止", "Stop"],
  stopVoice: ["说完了，发送", "Done, send"],
  write: ["在这里写", "Write here"],
  green: ["已连接", "Connected"],
  greenMore: ["全部已送达。", "Everything has arrived."],
  amber: ["信号弱", "Weak signal"],
  amberSend: ["正在发送", "Sending"],
  amberMore: ["{0} 条保存在手机中，正在发送；照片和位置优先。", "{0} kept in this phone, being sent; photos and positions first."],
  red: ["无信号", "No signal"],
  redMore: ["{0} 条已保存在手机中。有信号时打开此页面会自动发送，不会丢失。", "{0} kept in this phone. They are sent when there is signal and this page is open; none is lost."],
  redNone: ["可以照常拍照和录音，内容会保存在手机中。", "Go on taking photos and notes: they are kept in this phone."],
  looking: ["正在连接", "Connecting"],
  lookingMore: ["请稍候。", "One moment."],
  held: ["{0} 条保存在手机中。", "{0} kept in this phone."],
  noLink: ["请重新打开收到的完整链接。", "Open the whole link that you were sent."],
  noLinkTitle: ["没有邀请", "No invitation"],
  memory: ["此浏览器不能保存内容：发送完成前请勿关闭页面。", "This browser can not keep anything: leave the page open until all is sent."],
  kept: ["已保存", "kept"],
  sent: ["已送达", "arrived"],
  stuck: ["未被接受", "not taken"],
  noCamera: ["无法使用摄像头：请允许访问，或改用拍照。", "The camera can not be used: allow it, or take a photo."],
  noCodec: ["此手机浏览器不能发送实时画面，请改用拍照。", "This phone's browser can not send a live picture: take photos."],
  noLive: ["此浏览器不支持实时画面，请用拍照和语音。", "This browser has no live picture: use photo and voice."],
  noMic: ["无法使用麦克风：请允许访问。", "The microphone can not be used: allow it."],
  noPlace: ["无法获取位置：请允许定位。", "The position can not be had: allow it."],
  finding: ["正在定位…", "Finding the position…"],
  onAir: ["画面正在发送", "The picture is being sent"],
  onAirHeld: ["信号弱：先发送照片和位置", "Weak signal: photos and positions first"],
  starting: ["正在打开…", "Opening…"],
  again: ["画面中断，正在重连…", "The picture broke off, connecting again…"],
  weakLive: ["信号弱：建议先拍照。", "Weak signal: better take a photo first."],
  saved: ["已保存，正在发送。", "Kept, being sent."],
  full: ["手机存储空间不足，未能保存。", "This phone's storage is full: not kept."],
  yourName: ["您的姓名（可不填）", "Your name (may stay empty)"],
  recording: ["正在录音 {0} 秒", "Recording, {0} s"],
};

export type Key = keyof typeof TEXT;

let lang: "zh" | "en" = /^zh/i.test(navigator.language || "") ? "zh" : "en";

export function language(): "zh" | "en" {
  return lang;
}

export function speak(to: string): void {
  if (to === "zh" || to === "en") lang = to;
  document.documentElement.lang = lang;
}

export function t(key: Key, value: string | number = ""): string {
  const pair = TEXT[key] as Pair;
  return pair[lang === "zh" ? 0 : 1].replace("{0}", String(value));
}
