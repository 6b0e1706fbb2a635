// The talk groups, and what is wrong with the microphone where something is.

import { fill, h, setText } from "./dom";
import { GroupCard } from "./groupcard";
import { t } from "./i18n";
import { micWords } from "./mic";
import type { Reasons } from "./panels";
import type { Voice } from "./voice";

export class TalkPanel {
  private readonly cause = h("strong");
  private readonly cure = h("span");
  private readonly again = h("button", { type: "button" });
  private readonly trouble = h("div", { class: "mic-trouble", role: "alert", hidden: true }, this.cause, this.cure, this.again);
  private readonly list = h("ul", { class: "groups" });
  private readonly empty = h("p", { class: "empty" });
  private readonly settings = h("details", { class: "sound-settings" });
  readonly element = h("section", { class: "talk" }, this.trouble, this.empty, this.list, this.settings);
  private readonly cards = new Map<string, GroupCard>();
  /** The card that is open; undefined: nobody has chosen, the active one is. */
  private chosen: string | null | undefined;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(
    private readonly voice: Voice,
    private readonly reasons: Reasons,
  ) {
    voice.on(() => this.render());
    voice.store.onLevels = (group, levels) => this.cards.get(group)?.hear(levels);
    voice.store.onSpurt = (group) => this.cards.get(group)?.heardSpurt();
    this.again.addEventListener("click", () => {
      for (const line of voice.lines.values()) void line.newMicrophone();
    });
    this.settings.addEventListener("toggle", () => this.settings.open && void this.showSettings());
    document.addEventListener("visibilitychange", this.onVisible);
  }

  private readonly onVisible = (): void => this.watchLevels();

  start(): void {
    this.timer = setInterval(() => this.tick(), 1000);
  }

  stop(): void {
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.onVisible);
    for (const card of this.cards.values()) card.stop();
    this.voice.store.listenLevels(null);
  }

  get opened(): string | null {
    if (this.chosen !== undefined) return this.chosen;
    const groups = this.voice.store.groups;
    return this.voice.activeLine?.group ?? (groups.size === 1 ? ([...groups.keys()][0] ?? null) : null);
  }

  render(): void {
    const groups = [...this.voice.store.groups.values()].sort((a, b) => Number(b.emergency) - Number(a.emergency) || Number(a.adhoc) - Number(b.adhoc) || a.name.localeCompare(b.name));
    setText(this.empty, t("noGroups"));
    this.empty.hidden = groups.length > 0;
    this.showTrouble();
    for (const [id, card] of this.cards) {
      if (this.voice.store.groups.has(id)) continue;
      card.stop();
      card.element.remove();
      this.cards.delete(id);
    }
    groups.forEach((group, place) => {
      let card = this.cards.get(group.id);
      if (!card) {
        card = new GroupCard(group.id, {
          voice: this.voice,
          reasons: this.reasons,
          opened: () => this.opened === group.id,
          toggle: () => this.toggle(group.id),
        });
        this.cards.set(group.id, card);
      }
      if (this.list.children[place] !== card.element) this.list.insertBefore(card.element, this.list.children[place] ?? null);
      card.render();
    });
    this.settings.hidden = !this.voice.mayTalk();
    if (this.settings.dataset["lang"] !== document.documentElement.lang) void this.showSettings();
    this.watchLevels();
  }

  /** Levels come only while they are seen. */
  private watchLevels(): void {
    const seen = this.element.isConnected && !document.hidden && this.element.offsetParent !== null;
    this.voice.store.listenLevels(seen ? this.opened : null);
  }

  private toggle(group: string): void {
    this.chosen = this.opened === group ? null : group;
    this.render();
  }

  private tick(): void {
    this.watchLevels();
    if (!this.element.isConnected) return;
    for (const card of this.cards.values()) card.tick();
  }

  private showTrouble(): void {
    const trouble = [...this.voice.lines.values()].map((line) => line.state.mic).find((one) => one !== null);
    this.trouble.hidden = !trouble;
    if (!trouble) return;
    const [cause, cure] = micWords(trouble);
    setText(this.cause, t(cause));
    setText(this.cure, t(cure));
    setText(this.again, t("micAgain"));
    this.again.hidden = trouble === "micInsecure";
  }

  private async showSettings(): Promise<void> {
    this.settings.dataset["lang"] = document.documentElement.lang;
    const { mic } = this.voice;
    const devices = await mic.devices().catch(() => []);
    const choice = h("select", {}, h("option", { value: "" }, t("micDefault")), ...devices.map((one) => h("option", { value: one.deviceId, selected: one.deviceId === mic.device }, one.label)));
    const plain = h("input", { type: "checkbox", checked: mic.plain });
    const change = (): void => mic.choose(choice.value, plain.checked);
    choice.addEventListener("change", change);
    plain.addEventListener("change", change);
    fill(
      this.settings,
      h("summary", {}, t("soundSettings")),
      h("label", {}, t("microphone"), choice),
      h("label", { class: "tick" }, plain, t("micPlain")),
    );
  }
}
