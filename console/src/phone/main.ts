// The page of a phone on site: one big button, what it does is chosen below it, and one state in plain words.

import { type Item, Kept, type Kind, notes, ulid } from "./kept";
import { canSendLive, Live } from "./live";
import { bytes, shrink } from "./photo";
import { Place } from "./place";
import { canRecord, record, type Recording } from "./recorder";
import { Sender } from "./sender";
import { sha256 } from "./sha256";
import { type Key, language, speak, t } from "./words";

type Way = "live" | Kind;

const WAYS: Way[] = ["live", "photo", "voice", "text", "position"];
const DO: { [way in Way]: Key } = { live: "doLive", photo: "doPhoto", voice: "doVoice", text: "doText", position: "doPosition" };
const LIVE_POSITION_MS = 30000;
const LONGEST_NOTE_MS = 300000;

const app = document.getElementById("app") as HTMLElement;
const kept = new Kept();
const place = new Place();
let secret = /fgi_[a-z2-9]{26}/.test(location.hash) ? /fgi_[a-z2-9]{26}/.exec(location.hash)![0]! : notes.get("secret");
let way: Way = "photo";
let items: Item[] = [];
let hint = "";
let hintBad = false;
let recording: Recording | null = null;
let recordingSince = 0;
let recordingTimer = 0;

const sender = new Sender(kept, () => secret + "." + phoneKey(), () => notes.get("name"), () => refresh());

// — parts of the page, made once —

function make<K extends keyof HTMLElementTagNameMap>(tag: K, name: string, parent: Element | null, text = ""): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  made.className = name;
  made.textContent = text;
  if (parent) parent.appendChild(made);
  return made;
}

const top_ = make("div", "top", app);
const title = make("div", "title", top_);
const swap = make("button", "", top_);
const state = make("div", "state", app);
state.setAttribute("role", "status");
const stateTitle = make("strong", "", state);
const stateMore = make("span", "", state);
const video = make("video", "hidden", app);
video.muted = true;
video.setAttribute("playsinline", "");
video.setAttribute("autoplay", "");
const words = make("textarea", "hidden", app);
words.maxLength = 4000;
const big = make("button", "big", app);
const hintLine = make("p", "hint", app);
hintLine.setAttribute("role", "status");
const row = make("div", "ways", app);
const choices = WAYS.map((one) => {
  const button = make("button", "", row);
  button.onclick = () => choose(one);
  return button;
});
const camera = fileField("image/*", "environment");
const recorderField = fileField("audio/*", "");
const list = make("ul", "", app);
const nameLabel = make("label", "name", app);
const nameWords = make("span", "", nameLabel);
const nameField = make("input", "", nameLabel);
nameField.maxLength = 64;
nameField.value = notes.get("name");
nameField.onchange = () => {
  notes.set("name", nameField.value.trim());
  sender.forget();
  sender.kick();
};

function fileField(accept: string, capture: string): HTMLInputElement {
  const made = make("input", "file", app);
  made.type = "file";
  made.accept = accept;
  made.setAttribute("capture", capture);
  made.setAttribute("aria-hidden", "true");
  made.tabIndex = -1;
  return made;
}

const live = new Live(video, () => (sender.me ? sender.me.stream : ""), (more) => sender.headers(more), () => sender.link === "weak", () => draw());

// — what is done —

function phoneKey(): string {
  let key = notes.get("key");
  if (!key) {
    const random = new Uint8Array(18);
    crypto.getRandomValues(random);
    let text = "";
    for (let i = 0; i < random.length; i++) text += String.fromCharCode(random[i]!);
    key = btoa(text).replace(/\+/g, "-").replace(/\//g, "_").replace(/=/g, "");
    if (memoryKey) return memoryKey;
    notes.set("key", key);
    if (notes.get("key") !== key) memoryKey = key;
  }
  return key;
}
let memoryKey = "";

function keep(kind: Kind, text: string, made: { data: ArrayBuffer; type: string } | null, taken: number, at: Promise<Item["where"]>): Promise<void> {
  return Promise.all([at, made ? sha256(made.data) : Promise.resolve("")]).then(([where, digest]) => {
    const item: Item = {
      id: ulid(taken),
      kind,
      taken,
      text,
      type: made ? made.type : "",
      size: made ? made.data.byteLength : 0,
      sha256: digest,
      where,
      data: made ? made.data : null,
      state: "kept",
      code: "",
    };
    return kept.put(item).then(
      () => {
        say("saved");
        refresh();
        sender.kick();
      },
      () => say("full", true),
    );
  });
}

function act(): void {
  if (way === "live") {
    if (live.state === "off" || live.state === "no-camera" || live.state === "no-codec") {
      place.watch();
      if (!canSendLive()) say("noLive", true);
      else if (!sender.me) say("redNone", true);
      else live.start();
    } else live.stop();
  } else if (way === "photo") camera.click();
  else if (way === "voice") {
    if (recording) finishNote();
    else if (canRecord()) beginNote();
    else recorderField.click();
  } else if (way === "text") {
    const text = words.value.trim();
    if (!text) return;
    keep("text", text, null, Date.now(), place.near()).then(() => (words.value = ""));
  } else {
    say("finding");
    place.now().then(
      (where) => keep("position", "", null, Date.now(), Promise.resolve(where)),
      () => say("noPlace", true),
    );
  }
  draw();
}

camera.onchange = () => {
  const file = camera.files && camera.files[0];
  if (!file) return;
  place.watch();
  const [taken, at] = [Date.now(), place.near()];
  shrink(file, sender.link === "weak").then((made) => keep("photo", "", made, taken, at), () => say("full", true));
  camera.value = "";
};

recorderField.onchange = () => {
  const file = recorderField.files && recorderField.files[0];
  if (!file) return;
  bytes(file).then((data) => keep("voice", "", { data, type: file.type || "audio/mp4" }, Date.now(), place.near()));
  recorderField.value = "";
};

function beginNote(): void {
  record().then(
    (begun) => {
      recording = begun;
      recordingSince = Date.now();
      recordingTimer = setInterval(() => {
        if (Date.now() - recordingSince > LONGEST_NOTE_MS) finishNote();
        else draw();
      }, 1000) as unknown as number;
      draw();
    },
    () => say("noMic", true),
  );
}

function finishNote(): void {
  const [begun, taken] = [recording, recordingSince];
  recording = null;
  clearInterval(recordingTimer);
  if (begun) begun.stop().then((made) => keep("voice", "", made, taken, place.near()), () => say("noMic", true));
  draw();
}

function choose(one: Way): void {
  if (recording) finishNote();
  if (one !== "live" && live.state !== "off") live.stop();
  way = one;
  say("");
  if (one === "live" && sender.link === "weak") say("weakLive");
  draw();
}

// — what is shown —

function say(key: Key | "", bad = false): void {
  hint = key ? t(key) : "";
  hintBad = bad;
  draw();
}

function refresh(): void {
  kept.all().then((found) => {
    items = found;
    const urgent = found.some((one) => one.state === "kept" && one.kind !== "voice");
    live.hold(urgent && sender.link !== "good");
    if (hint === t("saved") && !found.some((one) => one.state === "kept")) hint = "";
    draw();
  });
}

function standing(): [string, string, string] {
  const waiting = items.filter((one) => one.state === "kept").length;
  const heldWords = waiting ? " " + t("held", waiting) : "";
  if (!secret) return ["red", t("noLinkTitle"), t("noLink") + heldWords];
  const problem = sender.problem || live.problem;
  if (problem) return ["red", problem.cause[language()], problem.cure[language()] + heldWords];
  if (sender.link === "none" || navigator.onLine === false) return ["red", t("red"), waiting ? t("redMore", waiting) : t("redNone")];
  if (sender.link === "unknown") return ["amber", t("looking"), t("lookingMore") + heldWords];
  if (sender.link === "weak") return ["amber", t("amber"), waiting ? t("amberMore", waiting) : t("greenMore")];
  if (waiting) return ["amber", t("amberSend"), t("amberMore", waiting)];
  return ["green", t("green"), t("greenMore")];
}

function liveWords(): void {
  const said: { [name: string]: Key } = { starting: "starting", live: "onAir", again: "again", "no-camera": "noCamera", "no-codec": "noCodec" };
  const key = said[live.state];
  if (!key) return;
  hint = t(key === "onAir" && sender.link !== "good" && items.some((one) => one.state === "kept") ? "onAirHeld" : key);
  hintBad = key === "noCamera" || key === "noCodec" || key === "again";
}

function draw(): void {
  const me = sender.me;
  const name = me ? me.place || me.name : "";
  title.textContent = name ? t("title") + " · " + name : t("title");
  swap.textContent = t("swap");
  const [tone, head, more] = standing();
  state.className = "state " + tone;
  if (stateTitle.textContent !== head) stateTitle.textContent = head;
  const all = more + (kept.lasting ? "" : " " + t("memory"));
  if (stateMore.textContent !== all) stateMore.textContent = all;
  if (way === "live") liveWords();
  if (recording) hint = t("recording", Math.round((Date.now() - recordingSince) / 1000));
  hintLine.textContent = hint;
  hintLine.className = hintBad && !recording ? "hint bad" : "hint";
  const liveOn = live.state === "starting" || live.state === "live" || live.state === "again";
  big.textContent = recording ? t("stopVoice") : way === "live" && liveOn ? t("stopLive") : t(DO[way]);
  big.className = recording || liveOn ? "big on" : "big";
  video.className = liveOn ? "" : "hidden";
  words.className = way === "text" ? "" : "hidden";
  words.placeholder = t("write");
  WAYS.forEach((one, i) => {
    choices[i]!.textContent = t(one);
    choices[i]!.className = one === way ? "chosen" : "";
    choices[i]!.setAttribute("data-way", one);
  });
  nameWords.textContent = t("yourName");
  drawList();
}

function drawList(): void {
  while (list.firstChild) list.removeChild(list.firstChild);
  items.slice(0, 40).forEach((one) => {
    const line = make("li", one.state, list);
    line.setAttribute("data-id", one.id);
    const at = new Date(one.taken);
    const pad = (n: number): string => ("0" + n).slice(-2);
    make("span", "what", line, pad(at.getHours()) + ":" + pad(at.getMinutes()) + " " + t(one.kind) + (one.text ? " " + one.text : ""));
    const part = sender.sending === one.id && one.size ? Math.floor((sender.received / one.size) * 100) + " %" : t(one.state);
    make("span", "how", line, one.state === "kept" ? part : t(one.state));
  });
}

// — beginning —

speak(notes.get("lang") || (/^zh/i.test(navigator.language || "") ? "zh" : "en"));
swap.onclick = () => {
  speak(language() === "zh" ? "en" : "zh");
  notes.set("lang", language());
  say("");
};
big.onclick = act;
window.addEventListener("hashchange", () => {
  const found = /fgi_[a-z2-9]{26}/.exec(location.hash);
  if (!found) return;
  secret = found[0]!;
  notes.set("secret", secret);
  sender.forget();
  sender.kick();
});
setInterval(() => {
  if (live.state === "live") place.near().then((where) => (where ? keep("position", "", null, Date.now(), Promise.resolve(where)) : undefined));
}, LIVE_POSITION_MS);

if (secret) notes.set("secret", secret);
draw();
kept.open().then(() => {
  refresh();
  if (secret) sender.start();
});
if ("serviceWorker" in navigator) navigator.serviceWorker.register("/phone/sw.js", { scope: "/phone/" }).catch(() => undefined);
