// The console: directory on the left, pictures in the middle, control, talk and lists on the right. On a phone one of
// them at a time, with the talk key always at the bottom.

import { Api, keepAwake } from "./api";
import { CallsPanel, RingBar } from "./callspanel";
import { columnsFor } from "./columns";
import { TalkDock } from "./dock";
import { fill, h, type Icon, icon, setText } from "./dom";
import { type Key, language, setLanguage, t, word } from "./i18n";
import { KitsPanel } from "./kitspanel";
import { fieldTone } from "./kitwords";
import { MeshPanel } from "./meshpanel";
import { MapPanel } from "./mappanel";
import { AlarmsPanel, NoticesPanel, PendingPanel, PositionsPanel, Reasons } from "./panels";
import { PtzPad } from "./ptz";
import { ReportsPanel } from "./reportspanel";
import { SourcesPanel } from "./sourcespanel";
import { signIn } from "./signin";
import { Store } from "./store";
import { TalkPanel } from "./talkpanel";
import { TextsPanel } from "./textspanel";
import { Tile } from "./tile";
import { type TalkingTo, Tree } from "./tree";
import { Voice } from "./voice";

const MOST_TILES = 16;
const KEPT = "fieldgate.tiles";
const CONTRAST = "fieldgate.contrast";
/** On a phone the pictures are one of the tabs (style.css has the same width). */
const PHONE = matchMedia("(max-width: 42rem)");
const TABS: [Key, Icon][] = [
  ["pictures", "pictures"],
  ["control", "move"],
  ["talk", "mic"],
  ["calls", "phone"],
  ["texts", "mail"],
  ["alarms", "alarm"],
  ["kits", "satellite"],
  ["mesh", "mesh"],
  ["map", "pin"],
  ["sources", "in"],
  ["reports", "camera"],
  ["positions", "list"],
  ["notices", "note"],
];

const app = document.querySelector("#app") ?? document.body;
const api = new Api();

class Console {
  private readonly tiles = new Map<string, Tile>();
  private selected: string | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private tab: Key = PHONE.matches ? "pictures" : "control";
  private readonly store = new Store(api, () => api.onSignedOut());
  private readonly reasons = new Reasons(this.store);
  private readonly grid = h("main", { class: "grid" });
  private readonly link = h("span", { class: "link", role: "status" });
  private readonly kit = h("span", { class: "kit" });
  /** At a kit: the word that its field team reads; the tab of kits says more. */
  private readonly word = h("button", { type: "button", class: "word", hidden: true, onclick: () => this.choose("kits") });
  private readonly tabs = h("div", { class: "tabs", role: "tablist" });
  private readonly side = h("div", { class: "side-body" });
  private readonly pad = new PtzPad(this.store);
  private readonly voice = new Voice(this.store);
  private readonly talkingTo: TalkingTo = {
    possible: (channel) => this.voice.mayTalk() && this.store.endpoints.has(channel),
    on: (channel) => this.voice.joined(channel),
    toggle: (channel) => this.voice.toggle(channel),
  };
  private readonly tree = new Tree(this.store, (stream) => this.tiles.has(stream), (stream) => this.toggle(stream), this.talkingTo);
  private readonly pending = new PendingPanel(this.store, this.reasons);
  private readonly alarms = new AlarmsPanel(this.store);
  private readonly reports = new ReportsPanel(this.store);
  private readonly sources = new SourcesPanel(this.store, this.reasons, (stream) => this.toggle(stream));
  private readonly kits = new KitsPanel(this.store, this.reasons);
  private readonly mesh = new MeshPanel(this.store, this.reasons);
  private readonly texts = new TextsPanel(this.store, this.reasons);
  private readonly map = new MapPanel(this.store, (stream) => this.toggle(stream));
  private readonly positions = new PositionsPanel(this.store);
  private readonly notices = new NoticesPanel(this.store, this.reasons);
  private readonly talk = new TalkPanel(this.voice, this.reasons);
  private readonly calls = new CallsPanel(this.voice, this.reasons);
  private readonly ring = new RingBar(this.voice, this.calls, this.reasons);
  private readonly dock = new TalkDock(this.voice, this.reasons);
  private readonly body = h("div", { class: "body" });
  private readonly panels: Partial<Record<Key, { element: HTMLElement; render(): void }>> = {
    pictures: this.pad,
    control: this.pad,
    talk: this.talk,
    calls: this.calls,
    alarms: this.alarms,
    reports: this.reports,
    kits: this.kits,
    mesh: this.mesh,
    texts: this.texts,
    map: this.map,
    sources: this.sources,
    positions: this.positions,
    notices: this.notices,
  };

  constructor() {
    this.store.on("link", () => this.showLink());
    this.store.on("kits", () => this.showLink());
    new ResizeObserver(() => this.layout()).observe(this.grid);
    this.voice.on(() => this.tree.render());
    this.store.on("directory", () => this.prune());
    for (const topic of ["alarms", "notices", "pending", "calls", "talk", "reports", "kits", "meshes", "texts"] as const) this.store.on(topic, () => this.showTabs());
  }

  start(): void {
    this.draw();
    this.store.start();
    this.talk.start();
    this.calls.start();
    this.sources.start();
    this.kits.start();
    void this.reasons.read().then(() => this.renderPanels());
    for (const stream of kept()) this.open(stream);
    this.timer = setInterval(() => this.renderTimes(), 15000); // ages grow without events
  }

  stop(): void {
    clearInterval(this.timer);
    this.dock.stop();
    this.voice.stop();
    this.talk.stop();
    this.calls.stop();
    this.sources.stop();
    this.kits.stop();
    this.map.stop();
    this.store.stop();
    this.pad.stop();
    for (const tile of this.tiles.values()) tile.stop();
    this.tiles.clear();
  }

  private draw(): void {
    const button = (text: string | Node, act: () => void, label = String(text)) =>
      h("button", { type: "button", class: "quiet-button", title: label, "aria-label": label, onclick: act }, text);
    fill(
      app,
      h(
        "header",
        { class: "bar" },
        h("strong", { class: "brand" }, "Fieldgate"),
        this.kit,
        this.word,
        this.link,
        h(
          "span",
          { class: "tools" },
          h("span", { class: "who" }, api.who?.name ?? ""),
          button(icon("contrast"), () => this.contrast(), t("contrast")),
          button(language() === "zh" ? "English" : "中文", () => this.swapLanguage()),
          button(t("signOut"), () => void api.signOut().catch(() => undefined)),
        ),
      ),
      this.ring.element,
      this.body,
    );
    fill(
      this.body,
      h("aside", { class: "left" }, this.pending.element, this.tree.element),
      this.grid,
      h("aside", { class: "right" }, this.tabs, this.side, this.dock.element),
    );
    this.tree.render();
    this.layout();
    this.showLink();
    this.showTabs();
    this.renderPanels();
  }

  private renderPanels(): void {
    this.pending.render();
    for (const panel of Object.values(this.panels)) panel?.render();
    this.dock.render();
    this.ring.render();
  }

  private renderTimes(): void {
    this.pending.render();
    if (this.tab !== "control" && this.tab !== "pictures") this.panels[this.tab]?.render();
  }

  private showTabs(): void {
    const counts: Partial<Record<Key, number>> = {
      alarms: this.alarms.open(),
      reports: this.reports.fresh(),
      kits: this.kits.troubled(),
      mesh: this.mesh.troubled(),
      texts: this.texts.fresh(),
      notices: this.store.notices.filter((notice) => !notice.cleared).length,
      calls: this.calls.ringing().length,
      talk: [...this.store.groups.values()].filter((group) => group.emergency || group.floor.emergency).length,
    };
    this.body.dataset["tab"] = this.tab;
    // The buttons stay: one that is made anew while it is pressed would lose the click.
    if (this.tabs.childElementCount === 0) fill(this.tabs, ...TABS.map(([key, sign]) => this.tabButton(key, sign)));
    // A kit without mesh radios or carriers of messages has no place for them; one that is looked at stays.
    const idle: Partial<Record<Key, boolean>> = { mesh: this.store.meshes.size === 0, texts: !this.texts.wanted() };
    TABS.forEach(([key], place) => {
      const made = this.tabs.children[place] as HTMLElement;
      made.hidden = (idle[key] ?? false) && this.tab !== key;
      const [label, count] = [made.children[1] as HTMLElement, made.children[2] as HTMLElement];
      made.setAttribute("aria-selected", String(this.tab === key));
      setText(label, t(key));
      setText(count, String(counts[key] ?? ""));
      count.hidden = !counts[key];
    });
    const panel = this.panels[this.tab];
    if (panel && this.side.firstElementChild !== panel.element) fill(this.side, panel.element);
  }

  private tabButton(key: Key, sign: Icon): HTMLElement {
    return h("button", { type: "button", role: "tab", "data-key": key, onclick: () => this.choose(key) }, icon(sign), h("span"), h("span", { class: "count" }));
  }

  private choose(key: Key): void {
    this.tab = key;
    this.showTabs();
    // On a phone the row of tabs is wider than the screen.
    this.tabs.querySelector(`[data-key="${key}"]`)?.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.panels[key]?.render();
  }

  private showLink(): void {
    setText(this.kit, this.store.name || this.store.gateway);
    setText(this.link, t(this.store.linked ? "connected" : "disconnected"));
    this.link.dataset["tone"] = this.store.linked ? "live" : "bad";
    const field = this.store.role === "center" ? undefined : this.store.standing?.field;
    // While nothing is heard, nobody knows the word.
    this.word.hidden = !field || !this.store.linked;
    if (!field) return;
    setText(this.word, word(`field.${field.word}`));
    this.word.dataset["tone"] = fieldTone(field.word);
    this.word.title = field.code ? `${this.reasons.cause(field.code)} ${this.reasons.cure(field.code)}` : "";
  }

  private toggle(stream: string): void {
    if (this.tiles.has(stream)) this.select(stream);
    else this.open(stream);
  }

  private open(stream: string): void {
    if (this.tiles.has(stream) || this.tiles.size >= MOST_TILES) return;
    const tile = new Tile(api, stream, {
      title: () => this.titleOf(stream),
      status: () => this.store.streams.get(stream) ?? null,
      cause: (code) => this.reasons.cause(code),
      cure: (code) => this.reasons.cure(code),
      onClose: () => this.close(stream),
      onSelect: () => this.select(stream),
      talk: {
        possible: () => this.talkingTo.possible(stream),
        on: () => this.talkingTo.on(stream),
        toggle: () => this.talkingTo.toggle(stream),
      },
    });
    this.tiles.set(stream, tile);
    this.layout();
    tile.start();
    this.select(stream);
    this.remember();
  }

  private close(stream: string): void {
    this.tiles.get(stream)?.stop();
    this.tiles.delete(stream);
    this.layout();
    this.remember();
    if (this.selected === stream) this.select([...this.tiles.keys()].at(-1) ?? null);
  }

  private select(stream: string | null): void {
    for (const [id, tile] of this.tiles) tile.select(id === stream);
    if (stream === this.selected && stream !== null) return;
    this.selected = stream;
    this.pad.show(stream);
    this.tree.render();
  }

  private titleOf(stream: string): string {
    const found = this.store.find(stream);
    if (!found) return this.store.streams.get(stream)?.title || stream;
    return [this.store.whose(stream), found.device.name, found.channel.name].filter((name, place, all) => name && all.indexOf(name) === place).join(" / ");
  }

  private layout(): void {
    this.grid.style.setProperty("--columns", String(columnsFor(this.tiles.size, this.grid.clientWidth, this.grid.clientHeight)));
    if (this.tiles.size === 0) {
      fill(this.grid, h("p", { class: "empty" }, t("choose")));
      return;
    }
    this.grid.querySelector(":scope > .empty")?.remove();
    for (const tile of this.tiles.values()) if (!tile.element.isConnected) this.grid.append(tile.element);
    this.tree.render();
  }

  /** A stream that is gone for good takes its tile with it. */
  private prune(): void {
    setText(this.kit, this.store.name || this.store.gateway);
    for (const stream of this.tiles.keys()) {
      if (this.store.streams.get(stream)?.state === "removed") this.close(stream);
    }
    if (this.selected === null) return;
    this.tiles.get(this.selected)?.select(true);
  }

  private remember(): void {
    localStorage.setItem(KEPT, JSON.stringify([...this.tiles.keys()]));
  }

  private swapLanguage(): void {
    setLanguage(language() === "zh" ? "en" : "zh");
    this.draw();
  }

  private contrast(): void {
    const high = document.documentElement.classList.toggle("high-contrast");
    localStorage.setItem(CONTRAST, high ? "1" : "");
  }
}

function kept(): string[] {
  try {
    const found: unknown = JSON.parse(localStorage.getItem(KEPT) ?? "[]");
    return Array.isArray(found) ? found.filter((one): one is string => typeof one === "string").slice(0, MOST_TILES) : [];
  } catch {
    return [];
  }
}

async function begin(): Promise<void> {
  document.documentElement.classList.toggle("high-contrast", localStorage.getItem(CONTRAST) === "1");
  for (;;) {
    const who = await signIn(api, app);
    if (who.role === "auditor") {
      fill(app, h("main", { class: "sign-in" }, h("p", { class: "card" }, t("auditorOnly"))));
      return;
    }
    const console_ = new Console();
    const ended = new Promise<void>((resolve) => (api.onSignedOut = resolve));
    console_.start();
    await ended;
    console_.stop();
    api.who = null;
  }
}

keepAwake(api);
void begin();
