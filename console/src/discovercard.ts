// Searching the network: cameras, sources and streams that pass by, each taken in by one press.

import { fill, h, setText } from "./dom";
import { say, t, word } from "./i18n";
import type { Reasons } from "./panels";
import { detail } from "./phrases";
import type { Store } from "./store";
import type { CommandResult } from "./types";

const LOOK_EVERY_MS = 1000;

export interface Find {
  key: string;
  kind: string;
  ways: string[];
  address: string;
  name: string;
  manufacturer: string;
  model: string;
  urls: string[];
  destination: string;
  codecs: string[];
  bitrate_bps: number | null;
  adopt: string;
  adopted: string;
}

interface Found {
  search: { running: boolean; started_at: number; notes: [string, string][] };
  finds: Find[];
}

/** What is in it and how fast, or where it is. */
export function content(find: Find): string {
  const rate = find.bitrate_bps ? `${(find.bitrate_bps / 1e6).toFixed(find.bitrate_bps < 1e5 ? 3 : 2)} Mb/s` : "";
  return [find.codecs.join(" + "), rate].filter(Boolean).join(" · ") || (find.urls[0] ?? "");
}

export class DiscoverCard {
  private readonly title = h("summary", {});
  private readonly listen = h("input", { type: "checkbox" });
  private readonly listenWord = h("span", {});
  private readonly button = h("button", { type: "button", class: "primary", onclick: () => void this.press() });
  private readonly state = h("p", { class: "message", role: "status" });
  private readonly notes = h("ul", { class: "notes" });
  private readonly list = h("ul", { class: "finds" });
  readonly element = h(
    "details",
    { class: "invite discover", ontoggle: () => void this.read() },
    this.title,
    h("div", { class: "acts" }, h("label", {}, this.listen, this.listenWord), this.button),
    this.state,
    this.notes,
    this.list,
  );
  private found: Found = { search: { running: false, started_at: 0, notes: [] }, finds: [] };
  private readonly rows = new Map<string, Row>();
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly store: Store,
    private readonly reasons: Reasons,
  ) {
    this.render();
  }

  private async press(): Promise<void> {
    const { api } = this.store;
    const running = this.found.search.running;
    const act = running
      ? api.send("DELETE", "/api/v1/discover")
      : api.post("/api/v1/discover", { seconds: this.listen.checked ? 15 : 8, ways: this.listen.checked ? "all" : "" });
    const problem = await this.store.attempt(act);
    if (problem && problem.code !== "discovery-running") {
      setText(this.state, `${say(problem.cause)} ${say(problem.cure)}`);
      return;
    }
    await this.read();
  }

  /** Looked at while it runs; what was found last stays until the next search. */
  async read(): Promise<void> {
    clearTimeout(this.timer);
    if (!this.store.technician() || !this.element.open) return;
    try {
      this.found = await this.store.api.get<Found>("/api/v1/discover", { background: true });
    } catch {
      // The link says so in the header; asked again below.
    }
    this.render();
    if (this.found.search.running) this.timer = setTimeout(() => void this.read(), LOOK_EVERY_MS);
  }

  render(): void {
    this.element.hidden = !this.store.technician();
    setText(this.title, t("discover"));
    setText(this.listenWord, t("discoverListen"));
    const { search, finds } = this.found;
    setText(this.button, t(search.running ? "discoverStop" : "discoverStart"));
    if (search.running) setText(this.state, t("discoverRunning"));
    else if (search.started_at) setText(this.state, finds.length ? t("discoverCount", finds.length) : t("discoverNothing"));
    fill(
      this.notes,
      ...search.notes.map(([code, told]) => h("li", { class: "warn" }, `${this.reasons.cause(code)} ${this.reasons.cure(code)} (${detail(told)})`)),
    );
    for (const key of [...this.rows.keys()]) if (!finds.some((find) => find.key === key)) this.rows.delete(key);
    const rows = finds.map((find) => {
      const row = this.rows.get(find.key) ?? new Row(this.store, find, () => void this.read());
      this.rows.set(find.key, row);
      row.show(find);
      return row.element;
    });
    // Rows stay where they are: a form that somebody types into is not taken away.
    if (rows.length !== this.list.children.length || rows.some((row, at) => this.list.children[at] !== row)) {
      const typing = this.list.contains(document.activeElement) ? document.activeElement : null;
      fill(this.list, ...rows);
      if (typing instanceof HTMLElement) typing.focus();
    }
  }
}

class Row {
  private readonly name = h("strong", {});
  private readonly more = h("span", { class: "quiet" });
  private readonly there = h("span", { class: "quiet" });
  private readonly adopt = h("button", { type: "button", onclick: () => this.ask() });
  private readonly form = h("form", { hidden: true });
  private readonly message = h("p", { class: "message", role: "status" });
  readonly element: HTMLElement;

  constructor(
    private readonly store: Store,
    private find: Find,
    private readonly done: () => void,
  ) {
    const text = h("div", { class: "text" }, this.name, this.more, this.there);
    this.element = h("li", { "data-kind": find.kind }, text, this.adopt, this.form, this.message);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.take();
    });
  }

  show(find: Find): void {
    this.find = find;
    setText(this.name, find.name || find.destination || find.address);
    const said = [
      word(`find.${find.kind}`),
      find.destination || find.address,
      [find.manufacturer, find.model].filter(Boolean).join(" "),
      content(find),
      find.ways.map((way) => word(`way.${way}`)).join(", "),
    ];
    setText(this.more, said.filter(Boolean).join(" · "));
    setText(this.there, find.adopted ? t("discoverThere", find.adopted) : "");
    setText(this.adopt, t("discoverAdopt"));
    this.adopt.hidden = !find.adopt || Boolean(find.adopted) || !this.form.hidden;
    if (find.adopted) this.form.hidden = true;
  }

  private ask(): void {
    const field = (name: string, type: string, label: string, most: number): HTMLElement =>
      h("label", {}, label, h("input", { name, type, maxlength: String(most), autocomplete: "off" }));
    const secret = this.find.kind !== "stream";
    fill(
      this.form,
      field("name", "text", t("discoverName"), 100),
      secret && field("user", "text", t("discoverUser"), 64),
      secret && field("password", "password", t("discoverPassword"), 128),
      h("button", { type: "submit", class: "primary" }, t("discoverAdopt")),
    );
    this.form.hidden = false;
    this.adopt.hidden = true;
    this.form.querySelector("input")?.focus();
  }

  private async take(): Promise<void> {
    const value = (name: string): string => this.form.querySelector<HTMLInputElement>(`input[name="${name}"]`)?.value ?? "";
    const body = { key: this.find.key, name: value("name"), user: value("user"), password: value("password") };
    let result: CommandResult | undefined;
    const problem = await this.store.attempt(
      this.store.api.post<CommandResult>("/api/v1/discover/adopt", body).then((told) => {
        result = told;
      }),
    );
    if (problem) {
      setText(this.message, `${say(problem.cause)} ${detail(problem.detail)}`);
      return;
    }
    this.form.hidden = true;
    fill(this.form);
    setText(this.message, t("discoverAdopted", String(result?.data?.device ?? "")));
    this.done();
  }
}
