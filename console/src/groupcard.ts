// One talk group: its floor, and when it is opened its members with their levels, the dispatcher's tools, who spoke when.

import { fill, h, type Icon, icon, setText } from "./dom";
import { say, t, word } from "./i18n";
import type { Reasons } from "./panels";
import { detail } from "./phrases";
import { SpurtsView } from "./spurts";
import { floorWords, memberWords, meter, nameOf, queueNames } from "./talkwords";
import type { GroupStatus, Member, MemberKind } from "./types";
import type { Voice } from "./voice";

const KIND_ICONS: Record<MemberKind, Icon> = {
  sip: "phone",
  browser: "screen",
  radio: "radio",
  loudspeaker: "sound",
  phone: "satellite",
  device: "camera",
};

export interface CardOptions {
  voice: Voice;
  reasons: Reasons;
  opened(): boolean;
  toggle(): void;
}

class MemberRow {
  private readonly name = h("span", { class: "name" });
  private readonly state = h("span", { class: "state" });
  private readonly why = h("span", { class: "why" });
  private readonly bar = h("i");
  private readonly mute = h("button", { type: "button", class: "icon" });
  private readonly remove = h("button", { type: "button", class: "icon" }, icon("close"));
  private readonly sign = h("span", { class: "kind" });
  private readonly level = h("span", { class: "meter", "aria-hidden": "true" }, this.bar);
  private readonly tools = h("span", { class: "tools" }, this.mute, this.remove);
  readonly element = h("li", { class: "member" }, this.sign, this.name, this.state, this.tools, this.why, this.level);
  private kind = "";
  private mutedIcon: boolean | null = null;

  constructor(act: (action: string, member: string, args: Record<string, unknown>) => void, private member: Member) {
    this.mute.addEventListener("click", () => act("talk.mute", this.member.id, { on: !this.member.muted }));
    this.remove.addEventListener("click", () => act("talk.remove", this.member.id, {}));
  }

  show(member: Member, group: GroupStatus, mine: boolean, dispatcher: boolean, cause: (code: string) => string): void {
    this.member = member;
    if (this.kind !== member.kind) fill(this.sign, icon(KIND_ICONS[member.kind] ?? "radio"));
    this.kind = member.kind;
    const { tone, text, why } = memberWords(member, group.floor, cause);
    this.element.dataset["tone"] = tone;
    const kind = word(`kind.member.${member.kind}`);
    this.sign.title = kind;
    setText(this.name, (member.name || member.id) + (mine ? ` (${t("you")})` : ""));
    this.element.title = [member.name, kind, member.id, member.codec, detail(member.detail)].filter(Boolean).join("\n");
    setText(this.state, [text, member.monitored ? t("monitored") : ""].filter(Boolean).join(" · "));
    setText(this.why, why);
    this.tools.hidden = !dispatcher || mine;
    const label = t(member.muted ? "unmuteMember" : "muteMember");
    this.mute.title = label;
    this.mute.setAttribute("aria-label", `${label}: ${member.name}`);
    this.mute.setAttribute("aria-pressed", String(member.muted));
    if (this.mutedIcon !== member.muted) fill(this.mute, icon(member.muted ? "micOff" : "mic"));
    this.mutedIcon = member.muted;
    this.mute.hidden = !member.may_talk;
    this.remove.title = t("removeMember");
    this.remove.setAttribute("aria-label", `${t("removeMember")}: ${member.name}`);
    if (member.state !== "up") this.hear(null);
    else if (member.level_in_db !== null) this.hear(member.level_in_db);
  }

  hear(db: number | null): void {
    this.bar.style.clipPath = `inset(0 ${100 - 100 * meter(db)}% 0 0)`;
  }
}

export class GroupCard {
  private readonly title = h("strong", { class: "name" });
  private readonly number = h("span", { class: "quiet" });
  private readonly chip = h("span", { class: "chip", role: "status" });
  private readonly clock = h("span", { class: "clock number" });
  private readonly line = h("span", { class: "quiet line" });
  private readonly head = h("button", { type: "button", class: "group-head" });
  private readonly join = h("button", { type: "button", class: "join" });
  private readonly also = h("input", { type: "checkbox" });
  private readonly alsoLabel = h("label", { class: "also" }, this.also, h("span"));
  private readonly queue = h("p", { class: "queue" });
  private readonly message = h("p", { class: "message", role: "status" });
  private readonly members = h("ul", { class: "members" });
  private readonly tools = h("div", { class: "dispatch" });
  private readonly monitor = h("button", { type: "button" });
  private readonly revoke = h("button", { type: "button" });
  private readonly calm = h("button", { type: "button", class: "danger" });
  private readonly who = h("input", { type: "text", autocomplete: "off", maxlength: "128", spellcheck: "false" });
  private readonly choices = h("datalist");
  private readonly bring = h("button", { type: "submit" });
  private readonly form = h("form", { class: "invite" }, this.who, this.choices, this.bring);
  private readonly spurts: SpurtsView;
  private readonly inside: HTMLElement;
  readonly element: HTMLElement;
  private readonly rows = new Map<string, MemberRow>();
  private monitoring = false;

  constructor(
    readonly group: string,
    private readonly options: CardOptions,
  ) {
    const { voice } = options;
    this.spurts = new SpurtsView(voice.store, group);
    this.choices.id = `who-${group.replace(/[^a-z0-9]/g, "-")}`;
    this.who.setAttribute("list", this.choices.id);
    fill(this.head, h("span", { class: "titles" }, this.title, this.number), h("span", { class: "now" }, this.chip, this.clock));
    fill(this.tools, this.revoke, this.monitor, this.calm);
    this.inside = h("div", { class: "inside" }, this.queue, this.members, this.tools, this.form, this.message, this.spurts.element);
    this.element = h("li", { class: "group", "data-group": group }, this.head, h("div", { class: "group-row" }, this.line, this.alsoLabel, this.join), this.inside);
    this.head.addEventListener("click", () => {
      if (voice.line(group)) voice.choose(group);
      options.toggle();
    });
    this.join.addEventListener("click", () => voice.toggle(group));
    this.also.addEventListener("change", () => voice.pick(group, this.also.checked));
    this.revoke.addEventListener("click", () => void this.act("talk.revoke"));
    this.monitor.addEventListener("click", () => void this.toggleMonitor());
    this.calm.addEventListener("click", () => void this.act("talk.emergency", { on: false }));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.invite();
    });
  }

  stop(): void {
    this.spurts.stop();
  }

  render(): void {
    const { voice, reasons } = this.options;
    const group = voice.store.groups.get(this.group);
    if (!group) return;
    const line = voice.line(this.group);
    const opened = this.options.opened();
    const dispatcher = voice.mayTalk();
    this.tick();
    setText(this.title, [voice.store.whose(group.id), group.name || group.id].filter(Boolean).join(" · "));
    setText(this.number, group.number ? t("number", group.number) : "");
    this.element.classList.toggle("active", voice.activeLine?.group === this.group);
    this.element.classList.toggle("joined", line !== undefined && !line.ended);
    this.head.setAttribute("aria-expanded", String(opened));
    const phase = line?.state.phase;
    const joined = phase === "up" ? t("joined") : phase === "reconnecting" ? t("rejoining") : phase === "ended" ? `${say(line?.state.cause ?? null)} ${say(line?.state.cure ?? null)}` : line ? t("joining") : "";
    setText(this.line, line ? joined : `${t("members")} ${group.members.filter((one) => one.state === "up").length}/${group.members.length}`);
    this.line.classList.toggle("warn", phase === "ended" || phase === "reconnecting");
    setText(this.join, t(line && !line.ended ? "leave" : dispatcher ? "join" : "listenIn"));
    this.join.classList.toggle("primary", !line || line.ended);
    const active = voice.activeLine;
    this.alsoLabel.hidden = !dispatcher || !active?.up || active.group === this.group || voice.open || group.mode === "full";
    this.alsoLabel.title = t("pickAlso");
    this.also.setAttribute("aria-label", t("pickAlso"));
    this.also.checked = voice.also.has(this.group);
    setText(this.alsoLabel.children[1] as Element, t("also"));
    this.inside.hidden = !opened;
    if (!opened) return;
    const queue = queueNames(group);
    const barging = group.floor.barging.map((id) => nameOf(group, id));
    const told = [queue.length ? t("queue", queue.join(" → ")) : "", barging.length ? t("bargingNow", barging.join(", ")) : ""];
    setText(this.queue, told.filter(Boolean).join(" · "));
    this.showMembers(group, line?.member ?? "", dispatcher, (code) => reasons.cause(code));
    this.tools.hidden = !dispatcher;
    this.form.hidden = !dispatcher;
    setText(this.revoke, t("revoke"));
    this.revoke.hidden = group.floor.state !== "taken" || group.floor.holder === line?.member;
    this.monitor.hidden = !line?.up;
    if (!line || line.ended) this.monitoring = false;
    setText(this.monitor, t(this.monitoring ? "monitorOff" : "monitor"));
    this.monitor.title = t("monitorHint");
    this.monitor.setAttribute("aria-pressed", String(this.monitoring));
    this.calm.hidden = !group.emergency;
    setText(this.calm, t("emergencyEnd"));
    setText(this.bring, t("invite"));
    this.who.placeholder = t("inviteWho");
    this.who.setAttribute("aria-label", t("inviteWho"));
    this.spurts.follow(group.floor);
    this.spurts.render(group.floor);
  }

  /** The clocks alone: once a second. */
  tick(): void {
    const { voice } = this.options;
    const group = voice.store.groups.get(this.group);
    if (!group) return;
    const words = floorWords(group, voice.line(this.group)?.member ?? "", Date.now() / 1000);
    this.element.dataset["tone"] = words.tone;
    setText(this.chip, words.text);
    setText(this.clock, [words.clock, words.left].filter(Boolean).join(" · "));
    if (this.options.opened()) this.spurts.render(group.floor);
  }

  /** Levels of the members, by member id. */
  hear(levels: Record<string, number>): void {
    for (const [id, row] of this.rows) row.hear(levels[id] ?? null);
  }

  heardSpurt(): void {
    this.spurts.soon();
  }

  private showMembers(group: GroupStatus, me: string, dispatcher: boolean, cause: (code: string) => string): void {
    const seen = new Set(group.members.map((member) => member.id));
    for (const [id, row] of this.rows) {
      if (seen.has(id)) continue;
      row.element.remove();
      this.rows.delete(id);
    }
    group.members.forEach((member, place) => {
      let row = this.rows.get(member.id);
      if (!row) {
        row = new MemberRow((action, who, args) => void this.act(action, { member: who, ...args }), member);
        this.rows.set(member.id, row);
      }
      row.show(member, group, member.id === me, dispatcher, cause);
      if (this.members.children[place] !== row.element) this.members.insertBefore(row.element, this.members.children[place] ?? null);
    });
    const empty = this.members.querySelector(":scope > .empty");
    if (group.members.length) empty?.remove();
    else if (!empty) fill(this.members, h("li", { class: "empty" }, t("noMembers")));
    this.showChoices(seen);
  }

  private showChoices(seen: ReadonlySet<string>): void {
    const free = [...this.options.voice.store.endpoints.values()].filter((one) => !seen.has(one.id));
    if (this.choices.childElementCount === free.length && free.every((one, at) => this.choices.children[at]?.getAttribute("value") === one.id)) return;
    fill(this.choices, ...free.map((one) => h("option", { value: one.id, label: `${one.title} · ${word(`kind.member.${one.kind}`)}` })));
  }

  private async toggleMonitor(): Promise<void> {
    const on = !this.monitoring;
    if (await this.act("talk.monitor", { member: this.options.voice.line(this.group)?.member ?? "", on })) this.monitoring = on;
    this.render();
  }

  private async invite(): Promise<void> {
    const text = this.who.value.trim();
    if (!text) return;
    // Digits alone are a number to dial; anything else says itself what it is.
    const who = /^[+*#0-9]{2,32}$/.test(text) ? `sip:${text}` : text;
    if (await this.act("talk.invite", { who })) this.who.value = "";
  }

  private async act(action: string, args: Record<string, unknown> = {}): Promise<boolean> {
    const error = await this.options.voice.act(action, this.group, args);
    setText(this.message, error ? `${say(error.problem.cause)} ${detail(error.problem.detail)}` : "");
    return error === null;
  }
}
