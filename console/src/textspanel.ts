// Short messages: who carries them, what went to and came from each number, each with how it stands; writing one.

import { fill, h, setText } from "./dom";
import { byName, language, say, span, t } from "./i18n";
import type { Reasons } from "./panels";
import { detail } from "./phrases";
import type { Store } from "./store";
import { TextForm } from "./textform";
import { isFresh, type Line, MIXED, type Thread } from "./texts";
import { carrierWords, lineWords } from "./textwords";
import type { CarrierState } from "./types";

const ago = (at: number): string => t("ago", span(Date.now() / 1000 - at));
const clock = (at: number): string => new Date(at * 1000).toLocaleString(document.documentElement.lang);
/** Rows that are drawn at once; the next so many are asked for by a button. */
const STEP = 50;

export class TextsPanel {
  private readonly carriers = h("ul", { class: "carriers" });
  private readonly news = h("p", { class: "news", role: "status" });
  private readonly message = h("p", { class: "message", role: "alert" });
  private readonly head = h("div", { class: "head" });
  private readonly find = h("input", { type: "search", name: "number", class: "find", maxlength: "64", autocomplete: "off" });
  private readonly list = h("ul", { class: "lines" });
  private readonly foot = h("div", { class: "foot" });
  private readonly form: TextForm;
  readonly element: HTMLElement;
  private chosen = "";
  private shown = STEP;
  private newest = -1;
  private drawn = "";

  constructor(
    private readonly store: Store,
    private readonly reasons: Reasons,
  ) {
    this.form = new TextForm(store, reasons, (number) => this.choose(number));
    this.element = h("section", { class: "texts" }, this.carriers, this.form.element, this.news, this.message, this.head, this.find, this.list, this.foot);
    this.find.addEventListener("change", () => void this.look());
    this.find.addEventListener("input", () => this.find.value === "" && void this.look());
    store.on("texts", () => {
      this.tellNew();
      if (this.element.isConnected && !document.hidden) this.render();
    });
  }

  fresh(): number {
    return this.store.mayMove() ? this.store.texts.fresh : 0;
  }

  /** Where nobody carries messages and none was, or the person may not read them, there is nothing to show. */
  wanted(): boolean {
    return this.store.mayMove() && !this.store.texts.empty;
  }

  render(): void {
    const may = this.store.mayMove();
    this.form.element.hidden = !may;
    this.find.hidden = !may || this.chosen !== "";
    this.find.placeholder = this.find.ariaLabel = t("textFind");
    this.form.render();
    const threads = may ? this.store.texts.threads() : [];
    const thread = threads.find((one) => one.number === this.chosen);
    const seen = thread ? thread.lines.slice(0, this.shown) : threads.slice(0, this.shown).map((one) => [one.number, one.kit, one.fresh, one.records, one.lines[0]]);
    const drawn = JSON.stringify([language(), may, this.chosen, this.store.texts.number, this.shown, threads.length, thread?.lines.length, this.store.texts.more, [...this.store.texts.carriers.values()], seen, Math.floor(Date.now() / 15000)]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.drawCarriers(may);
    if (thread) this.drawThread(thread);
    else this.drawThreads(threads, may);
  }

  private drawCarriers(may: boolean): void {
    const all = [...this.store.texts.carriers.values()].sort((a, b) => byName(a.name, b.name));
    this.carriers.hidden = !may;
    fill(
      this.carriers,
      ...(all.length ? all : [null]).map((one) => {
        if (!one) return h("li", { class: "quiet" }, t("noCarriers"));
        const said = carrierWords(one, this.reasons, Date.now() / 1000);
        return h("li", { "data-tone": said.tone, "data-carrier": one.name }, h("span", { class: "dot" }), h("span", { class: "name" }, said.name), h("span", { class: "quiet" }, said.state), said.cure && h("span", { class: "cure quiet" }, said.cure));
      }),
    );
  }

  private drawThreads(threads: Thread[], may: boolean): void {
    fill(this.head);
    const rows = threads.slice(0, this.shown).map((thread) => this.thread(thread));
    fill(this.list, ...(rows.length ? rows : [h("li", { class: "empty" }, t(!may ? "textsViewer" : this.store.texts.number ? "textNone" : "noTexts", this.store.texts.number))]));
    this.drawFoot(threads.length);
  }

  private thread(thread: Thread): HTMLElement {
    const last = thread.lines[0];
    const said = last ? lineWords(last, this.reasons, this.carriersNow()) : null;
    return h(
      "li",
      { "data-tone": said?.tone ?? "idle", "data-number": thread.number },
      h(
        "button",
        { type: "button", class: "row", onclick: () => this.choose(thread.number) },
        h("span", { class: "dot" }),
        h(
          "span",
          { class: "text" },
          h("strong", {}, this.nameOf(thread), thread.fresh > 0 && h("span", { class: "count" }, thread.fresh)),
          said && h("span", { class: "said" }, `${last?.out ? "→ " : ""}${said.body}`),
          last && said && h("span", { class: "quiet" }, `${said.state} · ${ago(last.at)}`),
          !last && h("span", { class: "quiet" }, this.recordsOf(thread)),
        ),
      ),
    );
  }

  private drawThread(thread: Thread): void {
    const back = h("button", { type: "button", onclick: () => this.choose("") }, `← ${t("textAll")}`);
    const write = h("button", { type: "button", onclick: () => this.form.open(thread.number) }, t("textWrite"));
    const seen = thread.fresh > 0 && h("button", { type: "button", onclick: () => void this.seen(thread) }, t("textSeen"));
    fill(this.head, back, h("strong", {}, this.nameOf(thread)), h("span", { class: "acts" }, seen, write));
    fill(this.list, thread.records > 0 && h("li", { class: "quiet records" }, this.recordsOf(thread)), ...thread.lines.slice(0, this.shown).map((line) => this.line(line)));
    this.drawFoot(thread.lines.length);
  }

  private line(line: Line): HTMLElement {
    const said = lineWords(line, this.reasons, this.carriersNow());
    const out = line.out;
    return h(
      "li",
      { class: `msg ${out ? "ours" : "theirs"}${said.fresh ? " fresh" : ""}`, "data-tone": said.tone, "data-line": line.key },
      h("p", { class: "said" }, said.body),
      h("p", { class: "state-line" }, h("span", { class: "state" }, said.state), h("time", { class: "quiet", title: clock(line.at) }, ` ${ago(line.at)}`), said.facts.length > 0 && h("span", { class: "quiet" }, ` · ${said.facts.join(" · ")}`)),
      said.why && h("p", { class: "warn" }, said.why),
      out &&
        h(
          "span",
          { class: "acts" },
          out.state === "waiting" && h("button", { type: "button", onclick: () => void this.cancel(out.id) }, t("textCancel")),
          (out.state === "failed" || out.state === "expired") && h("button", { type: "button", onclick: () => this.form.open(out.to, out.body) }, t("textAgain")),
        ),
    );
  }

  private recordsOf(thread: Thread): string {
    return t("textRecords", thread.records, this.store.kits.get(thread.kit)?.name || thread.kit, span(Date.now() / 1000 - thread.recordAt));
  }

  private carriersNow(): CarrierState[] {
    return [...this.store.texts.carriers.values()];
  }

  private drawFoot(count: number): void {
    const more = (): void => {
      this.shown += STEP;
      this.render();
    };
    const { texts } = this.store;
    fill(
      this.foot,
      count > this.shown && h("button", { type: "button", onclick: more }, t("textMore")),
      count <= this.shown && texts.more && h("button", { type: "button", onclick: () => void this.older() }, t("textOlder")),
      count <= this.shown && texts.full && h("span", { class: "quiet" }, t("textFull")),
    );
  }

  private nameOf(thread: Thread): string {
    const kit = thread.kit && (this.store.kits.get(thread.kit)?.name || thread.kit);
    return kit ? `${kit} · ${thread.number}` : thread.number;
  }

  private choose(number: string): void {
    this.chosen = number;
    this.shown = STEP;
    setText(this.news, "");
    setText(this.message, "");
    this.render();
    this.element.scrollIntoView?.({ block: "start" });
  }

  /** A line that a screen reader speaks, also while another number is open. */
  private tellNew(): void {
    const newest = this.store.texts.newest;
    const isNew = newest !== undefined && newest.number > this.newest;
    // What it was is told a moment after it came: a kit's record is no message to anybody.
    const quiet = newest !== undefined && newest.code !== "" && newest.code !== MIXED;
    if (this.newest >= 0 && newest && (isNew || quiet)) setText(this.news, quiet ? "" : t("textNew", newest.sender));
    this.newest = Math.max(this.newest, newest?.number ?? 0);
  }

  /** Asked of the gateway: the page has the newest alone. */
  private async look(): Promise<void> {
    this.shown = STEP;
    await this.did(this.store.texts.find(this.find.value));
  }

  private async seen(thread: Thread): Promise<void> {
    const fresh = thread.lines.flatMap((line) => (line.came && isFresh(line.came) ? [line.came.id] : [])).slice(0, STEP);
    for (const id of fresh) {
      if (!(await this.did(this.store.api.post(`/api/v1/texts/in/${encodeURIComponent(id)}/seen`, {})))) return;
    }
  }

  private async cancel(id: string): Promise<void> {
    await this.did(this.store.api.send("DELETE", `/api/v1/texts/out/${encodeURIComponent(id)}`));
  }

  private async older(): Promise<void> {
    if (await this.did(this.store.texts.older())) this.shown += STEP;
    this.render();
  }

  private async did(act: Promise<unknown>): Promise<boolean> {
    const problem = await this.store.attempt(act);
    setText(this.message, problem ? `${say(problem.cause)} ${detail(problem.detail)}`.trim() : "");
    return problem === null;
  }
}
