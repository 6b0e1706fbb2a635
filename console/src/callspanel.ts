// Calls: who rings, who talks to whom and how; answer, hang up, hold, transfer, dial.

import { ApiError } from "./api";
import { fill, h, icon, setText } from "./dom";
import { say, t } from "./i18n";
import type { Reasons } from "./panels";
import { detail } from "./phrases";
import { callClock, callFacts, callWords } from "./talkwords";
import type { CallStatus, CommandResult } from "./types";
import type { Voice } from "./voice";

const ENDED_SHOWN_S = 120;
const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];

/** Ringing first, then by their beginning; ended ones for two minutes. */
export function shownCalls(calls: Iterable<CallStatus>, now: number): CallStatus[] {
  const rank = (call: CallStatus): number => (call.state === "ringing-in" ? 0 : call.state === "ended" ? 2 : 1);
  return [...calls]
    .filter((call) => call.state !== "ended" || now - call.ended < ENDED_SHOWN_S)
    .sort((a, b) => rank(a) - rank(b) || b.started - a.started);
}

/** What a person may do with a call now. */
export function callActs(call: CallStatus): ("answer" | "refuse" | "hangUp" | "hold" | "resume" | "transfer" | "keypad")[] {
  switch (call.state) {
    case "ringing-in":
      return ["answer", "refuse"];
    case "calling":
    case "ringing":
      return ["hangUp"];
    case "up":
    case "held-by-peer":
      return ["hold", "transfer", "keypad", "hangUp"];
    case "held":
      return ["resume", "transfer", "hangUp"];
    case "moving":
      return ["hangUp"];
    case "ended":
      return [];
  }
}

class CallRow {
  private readonly sign = h("span", { class: "kind" });
  private readonly peer = h("strong", { class: "name" });
  private readonly chip = h("span", { class: "chip" });
  private readonly clock = h("span", { class: "clock number" });
  private readonly facts = h("span", { class: "quiet" });
  private readonly target = h("span", { class: "quiet" });
  private readonly acts = h("div", { class: "acts" });
  private readonly more = h("div", { class: "more-acts", hidden: true });
  private readonly message = h("p", { class: "message", role: "status" });
  readonly element = h("li", { class: "call" }, h("div", { class: "call-head" }, this.sign, this.peer, this.chip, this.clock), h("div", { class: "call-facts" }, this.target, this.facts), this.acts, this.more, this.message);
  private drawn = "";
  private shown: "transfer" | "keypad" | "" = "";

  constructor(
    private call: CallStatus,
    private readonly voice: Voice,
    private readonly reasons: Reasons,
  ) {}

  render(call: CallStatus): void {
    this.call = call;
    const { store } = this.voice;
    const words = callWords(call, (code) => this.reasons.cause(code));
    this.element.dataset["tone"] = words.tone;
    this.element.dataset["state"] = call.state;
    this.element.title = [call.peer, detail(call.detail), call.engine].filter(Boolean).join("\n");
    setText(this.peer, call.peer_name ? `${call.peer_name} ${call.peer}` : call.peer);
    setText(this.chip, words.text);
    this.tick();
    const target = store.groups.get(call.target)?.name || this.nameOf(call.target);
    setText(this.target, [t(call.incoming ? "incoming" : "outgoing"), target].filter(Boolean).join(" → "));
    setText(this.facts, callFacts(call).join(" · "));
    const joined = this.voice.joined(call.target);
    const acts = callActs(call);
    const adhoc = store.groups.get(call.target)?.adhoc ?? false; // a standing group is joined in its own place
    const drawn = JSON.stringify([document.documentElement.lang, acts, joined, call.target, adhoc]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    fill(this.sign, icon(call.incoming ? "in" : "out"));
    const joins = call.answered > 0 && adhoc && acts.includes("hangUp");
    fill(
      this.acts,
      joins &&
        h("button", { type: "button", class: joined ? "" : "primary", onclick: () => this.voice.toggle(call.target) }, t(joined ? "leave" : "listenCall")),
      ...acts.map((act) => h("button", { type: "button", class: act === "answer" ? "primary" : act === "hangUp" || act === "refuse" ? "danger" : "", "data-act": act, onclick: () => void this.do(act) }, t(act))),
    );
    if (!acts.includes("transfer") && this.shown) this.open("");
  }

  tick(): void {
    setText(this.clock, callClock(this.call, Date.now() / 1000));
  }

  private nameOf(id: string): string {
    const found = this.voice.store.find(id);
    return found ? `${found.device.name} ${found.channel.name}`.trim() : id;
  }

  private async do(act: ReturnType<typeof callActs>[number]): Promise<void> {
    switch (act) {
      case "answer": {
        const result = await this.give("call.answer");
        const group = result?.data["group"];
        if (typeof group === "string" && group) this.voice.join(group);
        break;
      }
      case "refuse":
      case "hangUp":
        await this.give("call.hang-up");
        break;
      case "hold":
      case "resume":
        await this.give("call.hold", { on: act === "hold" });
        break;
      case "transfer":
      case "keypad":
        this.open(this.shown === act ? "" : act);
        break;
    }
  }

  private open(what: "transfer" | "keypad" | ""): void {
    this.shown = what;
    this.more.hidden = what === "";
    if (what === "transfer") this.drawTransfer();
    else if (what === "keypad") {
      const digits = DIGITS.map((digit) => h("button", { type: "button", onclick: () => void this.give("call.digits", { digits: digit }) }, digit));
      fill(this.more, h("div", { class: "keypad" }, ...digits));
    } else fill(this.more);
  }

  private drawTransfer(): void {
    const to = h("input", { type: "tel", autocomplete: "off", maxlength: "64", placeholder: t("transferTo"), "aria-label": t("transferTo") });
    const others = [...this.voice.store.calls.values()].filter((one) => one.id !== this.call.id && (one.state === "up" || one.state === "held"));
    const other = h("select", { "aria-label": t("transferWith") }, h("option", { value: "" }, t("transferWith")), ...others.map((one) => h("option", { value: one.id }, one.peer_name || one.peer)));
    other.hidden = others.length === 0;
    const form = h("form", { class: "inline" }, to, other, h("button", { type: "submit", class: "primary" }, t("transfer")));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const args = other.value ? { with: other.value } : { to: to.value.trim() };
      if (!other.value && !to.value.trim()) return;
      if (await this.give("call.transfer", args)) this.open("");
    });
    fill(this.more, form);
    to.focus();
  }

  private async give(action: string, args: Record<string, unknown> = {}): Promise<CommandResult | null> {
    try {
      const result = await this.voice.store.order(action, this.call.id, args);
      setText(this.message, "");
      return result;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(this.message, `${say(error.problem.cause)} ${detail(error.problem.detail)}`);
      return null;
    }
  }
}

export class CallsPanel {
  private readonly number = h("input", { type: "tel", autocomplete: "off", maxlength: "64" });
  private readonly video = h("input", { type: "checkbox" });
  private readonly videoText = h("span");
  private readonly into = h("select");
  private readonly dial = h("button", { type: "submit", class: "primary" });
  private readonly message = h("p", { class: "message", role: "status" });
  private readonly form = h("form", { class: "dial" }, this.number, this.dial, h("label", { class: "tick" }, this.video, this.videoText), this.into);
  private readonly empty = h("p", { class: "empty" });
  private readonly list = h("ul", { class: "call-list" });
  readonly element = h("section", { class: "calls" }, this.form, this.message, this.empty, this.list);
  private readonly rows = new Map<string, CallRow>();
  private drawnInto = "";
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly voice: Voice,
    private readonly reasons: Reasons,
  ) {
    voice.store.on("calls", () => this.render());
    voice.on(() => this.render());
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.place();
    });
  }

  start(): void {
    this.timer = setInterval(() => this.tick(), 1000);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  /** Calls that ring and nobody has answered. */
  ringing(): CallStatus[] {
    return [...this.voice.store.calls.values()].filter((call) => call.state === "ringing-in");
  }

  render(): void {
    const may = this.voice.mayTalk();
    this.form.hidden = !may;
    this.number.placeholder = t("dialNumber");
    this.number.setAttribute("aria-label", t("dialNumber"));
    setText(this.dial, t("dial"));
    setText(this.videoText, t("withVideo"));
    this.showGroups();
    const calls = shownCalls(this.voice.store.calls.values(), Date.now() / 1000);
    this.empty.hidden = calls.length > 0;
    setText(this.empty, t(may ? "noCalls" : "callsViewer"));
    const seen = new Set(calls.map((call) => call.id));
    for (const [id, row] of this.rows) {
      if (seen.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    calls.forEach((call, place) => {
      let row = this.rows.get(call.id);
      if (!row) {
        row = new CallRow(call, this.voice, this.reasons);
        this.rows.set(call.id, row);
      }
      row.render(call);
      if (this.list.children[place] !== row.element) this.list.insertBefore(row.element, this.list.children[place] ?? null);
    });
  }

  private tick(): void {
    if (!this.element.isConnected) return;
    for (const row of this.rows.values()) row.tick();
    if ([...this.voice.store.calls.values()].some((call) => call.state === "ended")) this.render();
  }

  private showGroups(): void {
    const groups = [...this.voice.store.groups.values()].filter((group) => !group.adhoc);
    const drawn = JSON.stringify([document.documentElement.lang, groups.map((group) => [group.id, group.name])]);
    if (drawn === this.drawnInto) return;
    this.drawnInto = drawn;
    const kept = this.into.value;
    fill(this.into, h("option", { value: "" }, t("noGroup")), ...groups.map((group) => h("option", { value: group.id }, `${t("intoGroup")} ${group.name || group.id}`)));
    this.into.value = groups.some((group) => group.id === kept) ? kept : "";
    this.into.setAttribute("aria-label", t("intoGroup"));
  }

  private async place(): Promise<void> {
    const number = this.number.value.trim();
    if (!number) return;
    try {
      const result = await this.voice.store.order("call.place", this.into.value, { number, video: this.video.checked });
      setText(this.message, "");
      this.number.value = "";
      const group = result.data["group"];
      if (typeof group === "string" && group) this.voice.join(group);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      setText(this.message, `${say(error.problem.cause)} ${detail(error.problem.detail)}`);
    }
  }
}

/** What rings stands above everything, whatever is open: who, and two buttons. */
export class RingBar {
  readonly element = h("div", { class: "ring-bar", role: "alert", hidden: true });
  private drawn = "";

  constructor(
    private readonly voice: Voice,
    private readonly calls: CallsPanel,
    private readonly reasons: Reasons,
  ) {
    voice.store.on("calls", () => this.render());
  }

  render(): void {
    const ringing = this.voice.mayTalk() ? this.calls.ringing() : [];
    const drawn = JSON.stringify([document.documentElement.lang, ringing.map((call) => [call.id, call.peer, call.peer_name])]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.element.hidden = ringing.length === 0;
    fill(
      this.element,
      ...ringing.slice(0, 3).map((call) => {
        const row = new CallRow(call, this.voice, this.reasons);
        row.render(call);
        return row.element;
      }),
    );
  }
}
