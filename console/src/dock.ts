// The talk key, always at hand: big enough for a glove, held by finger, mouse or the space bar, saying what it does.

import { fill, h, icon, setText } from "./dom";
import { say, t } from "./i18n";
import { TalkKey } from "./keys";
import type { Reasons } from "./panels";
import { floorWords, type KeyWords, meter, pttWords } from "./talkwords";
import type { Voice } from "./voice";

export const EMERGENCY_HOLD_MS = 1000;
const METER_MS = 100;
/** A tablet's or phone's person has no space bar to be told of. */
const TOUCH = matchMedia("(pointer: coarse)");

export class TalkDock {
  private readonly lines = h("div", { class: "dock-lines" });
  private readonly bar = h("i");
  private readonly title = h("strong");
  private readonly hint = h("span");
  private readonly sign = h("span", { class: "sign" }, icon("mic"));
  private readonly key = h("button", { type: "button", class: "ptt" }, this.sign, this.title, this.hint, h("span", { class: "meter" }, this.bar));
  private readonly urgentTitle = h("strong");
  private readonly urgentHint = h("span");
  private readonly urgent = h("button", { type: "button", class: "urgent-key" }, icon("alarm"), this.urgentTitle, this.urgentHint);
  private readonly barge = h("button", { type: "button", class: "barge-key" });
  private readonly keys = h("div", { class: "dock-keys" }, this.key, h("div", { class: "dock-side" }, this.urgent, this.barge));
  readonly element = h("section", { class: "dock", hidden: true }, this.lines, this.keys);
  private readonly ended = new AbortController();
  private readonly held: TalkKey;
  private readonly urging: TalkKey;
  private readonly barging: TalkKey;
  private urgentTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly timer: ReturnType<typeof setInterval>;
  private drawnLines = "";

  constructor(
    private readonly voice: Voice,
    private readonly reasons: Reasons,
  ) {
    const { signal } = this.ended;
    this.held = new TalkKey(
      () => voice.press(),
      () => voice.release(),
      () => voice.activeLine !== null && voice.mayTalk(),
      signal,
    );
    // In a conference a tap opens and shuts the microphone; elsewhere the button is held.
    this.key.addEventListener("click", () => voice.open && voice.also.size === 0 && this.toggleMicrophone());
    this.key.addEventListener("pointerdown", (event) => voice.open && voice.also.size === 0 && event.stopImmediatePropagation());
    this.held.watch(this.key);
    this.urging = this.watchUrgent();
    this.barging = new TalkKey(() => voice.press("barge"), () => voice.release(), () => false, signal);
    this.barging.watch(this.barge);
    voice.on(() => this.render());
    this.timer = setInterval(() => this.tick(), METER_MS);
  }

  stop(): void {
    clearInterval(this.timer);
    clearTimeout(this.urgentTimer);
    this.ended.abort();
  }

  render(): void {
    const { voice } = this;
    this.element.hidden = voice.lines.size === 0;
    if (this.element.hidden) return;
    this.drawLines();
    const words = this.words();
    this.key.dataset["tone"] = words.tone;
    this.key.dataset["phase"] = voice.ptt.state.phase;
    setText(this.title, words.title);
    setText(this.hint, words.hint);
    // A button that is switched off while it is held would never hear that it was let go.
    this.key.disabled = !voice.ready && !this.held.held && voice.ptt.state.phase === "idle";
    this.key.setAttribute("aria-pressed", String(voice.activeLine?.speaking ?? false));
    const group = voice.activeGroup;
    const mine = voice.activeLine?.member ?? "";
    this.urgent.hidden = !voice.mayTalk() || voice.open || voice.me?.emergency === false;
    this.urgent.disabled = !voice.ready && !this.urging.held;
    setText(this.urgentTitle, t("emergency"));
    setText(this.urgentHint, t("emergencyHold"));
    const other = group?.floor.state === "taken" && group.floor.holder !== mine;
    this.barge.hidden = !voice.mayTalk() || voice.open;
    this.barge.disabled = (!voice.ready || !other) && !this.barging.held;
    setText(this.barge, t("bargeIn"));
    this.barge.title = t("bargeHint");
  }

  /** What the key says: what a press came to, else what a press would do. */
  private words(): KeyWords {
    const { voice } = this;
    const line = voice.activeLine;
    const group = voice.activeGroup;
    const now = pttWords(voice.ptt.state, voice.ptt.pressed, (code) => this.reasons.cause(code));
    if (now) return now;
    if (!line) return { tone: "idle", title: t("pttNoGroup"), hint: "" };
    if (line.ended) return { tone: "bad", title: say(line.state.cause) || t("offline"), hint: say(line.state.cure) };
    if (!line.up) return { tone: "wait", title: t("pttConnecting"), hint: say(line.state.cause) };
    if (!line.talks || voice.me?.may_talk === false) return { tone: "idle", title: t("pttListenOnly"), hint: "" };
    if (line.state.mic) return { tone: "bad", title: t("pttNoMic"), hint: t(line.state.mic) };
    if (voice.open) {
      return line.speaking ? { tone: "mine", title: t("micLive"), hint: t("micTurnOff") } : { tone: "idle", title: t("micOff"), hint: t("micTurnOn") };
    }
    if (voice.also.size) return { tone: "idle", title: t("pttIdle"), hint: t("toAll", new Set([line.group, ...voice.also]).size) };
    if (group?.floor.state === "taken") {
      const floor = floorWords(group, line.member, Date.now() / 1000);
      return { tone: floor.tone === "alert" ? "alert" : "wait", title: t("pttIdle"), hint: `${floor.text} ${floor.clock}` };
    }
    return { tone: group?.emergency ? "alert" : "idle", title: t("pttIdle"), hint: group?.emergency ? t("emergencyOn") : TOUCH.matches ? "" : t("pttHint") };
  }

  private drawLines(): void {
    const { voice } = this;
    const drawn = JSON.stringify([document.documentElement.lang, voice.active, [...voice.lines.values()].map((line) => [line.target, this.nameOf(line.group), line.state.phase])]);
    if (drawn === this.drawnLines) return;
    this.drawnLines = drawn;
    fill(
      this.lines,
      ...[...voice.lines.values()].map((line) => {
        const chosen = voice.active === line.target;
        const tone = line.up ? "live" : line.ended ? "bad" : "wait";
        return h(
          "span",
          { class: chosen ? "dock-line chosen" : "dock-line", "data-tone": tone },
          h("button", { type: "button", class: "pick", "aria-pressed": String(chosen), title: t("talkHere"), onclick: () => voice.choose(line.target) }, h("span", { class: "dot" }), h("span", { class: "name" }, this.nameOf(line.group))),
          h("button", { type: "button", class: "icon", title: t("leave"), "aria-label": `${t("leave")}: ${this.nameOf(line.group)}`, onclick: () => voice.leave(line.target) }, icon("close")),
        );
      }),
    );
  }

  private nameOf(group: string): string {
    const { store } = this.voice;
    const found = store.find(group);
    const name = store.groups.get(group)?.name || found?.channel.name || found?.device.name || group;
    return [store.whose(group), name].filter(Boolean).join(" · ");
  }

  private toggleMicrophone(): void {
    const line = this.voice.activeLine;
    if (line && this.voice.ready) this.voice.microphone(!line.speaking);
  }

  /** Held for a second it calls an emergency and speaks until it is let go. */
  private watchUrgent(): TalkKey {
    const begin = (): void => {
      this.urgent.classList.add("filling");
      this.urgentTimer = setTimeout(() => {
        this.urgent.classList.remove("filling");
        navigator.vibrate?.([60, 40, 60]);
        this.voice.press("floor", true);
      }, EMERGENCY_HOLD_MS);
    };
    const end = (): void => {
      clearTimeout(this.urgentTimer);
      this.urgent.classList.remove("filling");
      this.voice.release();
    };
    const key = new TalkKey(begin, end, () => false, this.ended.signal);
    key.watch(this.urgent);
    return key;
  }

  private tick(): void {
    if (this.element.hidden || document.hidden) return;
    const speaking = this.voice.activeLine?.speaking ?? false;
    this.bar.style.clipPath = `inset(0 ${speaking ? 100 - 100 * meter(this.voice.mic.level()) : 100}% 0 0)`;
    const group = this.voice.activeGroup;
    if (group?.floor.state === "taken" && this.voice.ptt.state.phase === "idle") setText(this.hint, this.words().hint);
  }
}
