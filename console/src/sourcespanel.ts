// Sources: what comes in and what is made of it, a URL added by hand, programs that send and read, outputs.

import { DiscoverCard } from "./discovercard";
import { fill, h, setText } from "./dom";
import { type Key, say, span, t } from "./i18n";
import type { Reasons } from "./panels";
import { detail } from "./phrases";
import { type Incoming, incoming, pushTone, pushWord } from "./sourcewords";
import type { Store } from "./store";
import type { CommandResult, Program, Push, Source, SourceTest, Viewing } from "./types";

const READ_EVERY_MS = 5000;
const ago = (at: number): string => t("ago", span(Date.now() / 1000 - at));

export class SourcesPanel {
  private readonly discover: DiscoverCard;
  private readonly add: AddForm;
  private readonly incomingTitle = h("h2", {});
  private readonly outputsTitle = h("h2", {});
  private readonly programsTitle = h("h2", {});
  private readonly list = h("ul", { class: "incoming" });
  private readonly outputs = h("ul", { class: "outputs" });
  private readonly programs = h("ul", { class: "programs" });
  private readonly message = h("p", { class: "message", role: "status" });
  readonly element: HTMLElement;
  private sources: Source[] = [];
  private viewings: Viewing[] = [];
  private known: Program[] = [];
  private secret: { name: string; text: string } | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private readonly drawn = new Map<Element, string>();

  constructor(
    private readonly store: Store,
    private readonly reasons: Reasons,
    private readonly open: (stream: string) => void,
  ) {
    this.discover = new DiscoverCard(store, reasons);
    this.add = new AddForm(store, reasons, () => void this.read());
    this.element = h(
      "section",
      { class: "sources" },
      this.discover.element,
      this.add.element,
      this.message,
      this.incomingTitle,
      this.list,
      this.outputsTitle,
      this.outputs,
      this.programsTitle,
      this.programs,
    );
    store.on("directory", () => this.seen() && this.render());
    store.on("pushes", () => this.seen() && this.render());
  }

  start(): void {
    void this.read();
    this.timer = setInterval(() => this.seen() && void this.read(), READ_EVERY_MS);
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private seen(): boolean {
    return this.element.isConnected && !document.hidden;
  }

  /** What the events do not tell: where sources come from, who watches, programs. */
  async read(): Promise<void> {
    const { api } = this.store;
    try {
      const [told, viewings, programs] = await Promise.all([
        api.get<{ sources: Source[] }>("/api/v1/sources", { background: true }),
        api.get<Viewing[]>("/api/v1/viewings", { background: true }),
        this.store.technician() ? api.get<Program[]>("/api/v1/programs", { background: true }) : Promise.resolve([]),
      ]);
      this.sources = told.sources ?? [];
      this.viewings = viewings;
      this.known = programs;
    } catch {
      return; // the link says so in the header
    }
    this.render();
  }

  render(): void {
    this.discover.render();
    this.add.render();
    setText(this.incomingTitle, t("incoming"));
    setText(this.outputsTitle, t("outputs"));
    setText(this.programsTitle, t("programs"));
    const pictures = incoming(this.store.streams.values(), this.sources, this.viewings);
    const refused = this.sources.filter((source) => source.code);
    this.draw(this.list, [pictures, refused], () =>
      pictures.length + refused.length === 0
        ? [h("li", { class: "empty" }, t("noSources"))]
        : [...refused.map((source) => this.refused(source)), ...pictures.map((one) => this.picture(one))],
    );
    const pushes = [...this.store.pushes.values()];
    this.outputsTitle.hidden = pushes.length === 0;
    this.draw(this.outputs, pushes, () => pushes.map((push) => this.push(push)));
    this.programsTitle.hidden = this.known.length === 0;
    this.draw(this.programs, [this.known, this.secret], () => this.known.map((program) => this.program(program)));
  }

  /** Only what differs is drawn: a button is not taken from under a finger. */
  private draw(place: Element, of: unknown, made: () => HTMLElement[]): void {
    const text = JSON.stringify([document.documentElement.lang, this.store.api.who?.role, of]);
    if (this.drawn.get(place) === text) return;
    this.drawn.set(place, text);
    fill(place, ...made());
  }

  private picture(one: Incoming): HTMLElement {
    const why = one.code ? `${this.reasons.cause(one.code)} ${this.reasons.cure(one.code)}`.trim() : "";
    return h(
      "li",
      { "data-tone": one.tone, "data-stream": one.stream },
      h("span", { class: "dot" }),
      h(
        "div",
        { class: "text" },
        h("strong", {}, one.title, " ", h("span", { class: "state" }, one.state)),
        h("span", { class: "quiet" }, one.facts.join(" · ")),
        one.media && h("span", { class: "number" }, one.media),
        ...one.converted.map(({ text, why: codes }) =>
          h("span", { class: "converted" }, t("converted", text), codes.length > 0 && h("span", { class: "quiet" }, ` ${t("convertedWhy", codes.map((code) => this.reasons.cause(code)).join(" "))}`)),
        ),
        why && h("span", { class: "warn" }, why),
        one.detail && h("span", { class: "quiet detail" }, detail(one.detail)),
        one.age && h("span", { class: "age" }, one.age),
        h("span", { class: "quiet" }, one.readers),
      ),
      h(
        "span",
        { class: "acts" },
        h("button", { type: "button", onclick: () => this.open(one.stream) }, t("sourceOpen")),
        one.removable && this.store.technician() && h("button", { type: "button", onclick: () => void this.remove(one.removable) }, t("sourceRemove")),
      ),
    );
  }

  private refused(source: Source): HTMLElement {
    return h(
      "li",
      { "data-tone": "bad" },
      h("span", { class: "dot" }),
      h("div", { class: "text" }, h("strong", {}, source.title), h("span", { class: "warn" }, `${this.reasons.cause(source.code)} ${this.reasons.cure(source.code)}`), h("span", { class: "quiet detail" }, detail(source.detail))),
      source.origin === "person" && this.store.technician() && h("button", { type: "button", onclick: () => void this.remove(source.name) }, t("sourceRemove")),
    );
  }

  private push(push: Push): HTMLElement {
    const words = push.code ? `${this.reasons.cause(push.code)} ${this.reasons.cure(push.code)}`.trim() : "";
    const retry = push.retry_in_s ? t("retryIn", span(push.retry_in_s)) : "";
    return h(
      "li",
      { "data-tone": pushTone(push.state) },
      h("span", { class: "dot" }),
      h(
        "div",
        { class: "text" },
        h("strong", {}, push.title, " ", h("span", { class: "state" }, [pushWord(push.state), retry].filter(Boolean).join(", "))),
        h("span", { class: "quiet" }, `${push.stream} → ${push.url}`),
        words && h("span", { class: "warn" }, words),
        push.detail && h("span", { class: "quiet detail" }, detail(push.detail)),
        push.failures > 0 && h("span", { class: "quiet" }, t("failedTimes", push.failures)),
      ),
    );
  }

  private program(program: Program): HTMLElement {
    const shown = this.secret?.name === program.name ? this.secret.text : "";
    const facts = [
      program.publish.length ? t("maySend", program.publish.join(" ")) : "",
      program.read.length ? t("mayWatch", program.read.join(" ")) : "",
    ];
    const now = [program.publishing.length ? t("sendsNow", program.publishing.join(" ")) : "", program.reading.length ? t("watchesNow", program.reading.join(" ")) : ""];
    return h(
      "li",
      { "data-tone": program.publishing.length + program.reading.length ? "live" : "idle" },
      h("span", { class: "dot" }),
      h(
        "div",
        { class: "text" },
        h("strong", {}, program.name),
        h("span", { class: "quiet" }, facts.filter(Boolean).join(" · ")),
        now.some(Boolean) && h("span", {}, now.filter(Boolean).join(" · ")),
        program.last_seen !== null && h("span", { class: "quiet" }, t("seenLast", ago(program.last_seen), program.address)),
        program.refused_at !== null &&
          h(
            "span",
            { class: "warn" },
            t("refusedLast", ago(program.refused_at), program.refused_from, this.reasons.cause(program.refused_code), this.reasons.cure(program.refused_code)),
          ),
        shown && h("span", { class: "secret" }, h("code", {}, shown), h("span", { class: "quiet" }, ` ${t("secretOnce")}`)),
      ),
      program.made && this.store.api.who?.role === "administrator" && h("button", { type: "button", onclick: () => void this.renew(program.name) }, t("secretNew")),
    );
  }

  private async remove(name: string): Promise<void> {
    if (!confirm(t("sourceSure", name))) return;
    const problem = await this.store.attempt(this.store.api.send("DELETE", `/api/v1/sources/${encodeURIComponent(name)}`));
    setText(this.message, problem ? `${say(problem.cause)} ${detail(problem.detail)}` : "");
    await this.read();
  }

  private async renew(name: string): Promise<void> {
    if (!confirm(t("secretSure", name))) return;
    const asked = this.store.api.post<{ secret: string }>(`/api/v1/programs/${encodeURIComponent(name)}/secret`, {});
    const problem = await this.store.attempt(asked);
    setText(this.message, problem ? `${say(problem.cause)} ${detail(problem.detail)}` : "");
    this.secret = problem ? null : { name, text: (await asked).secret };
    this.render();
  }
}

/** A URL typed in: tried first, or added at once. */
class AddForm {
  private readonly url = h("input", { type: "text", maxlength: "2048", required: true, autocomplete: "off", spellcheck: "false", inputmode: "url", placeholder: "rtsp://user:password@192.168.1.64:554/1" });
  private readonly sub = h("input", { type: "text", maxlength: "2048", autocomplete: "off", spellcheck: "false" });
  private readonly name = h("input", { type: "text", maxlength: "100" });
  private readonly id = h("input", { type: "text", maxlength: "64", pattern: "[a-z0-9][a-z0-9._\\-]*" });
  private readonly always = h("input", { type: "checkbox" });
  private readonly tryButton = h("button", { type: "button", onclick: () => void this.try() });
  private readonly button = h("button", { type: "submit", class: "primary" });
  private readonly message = h("p", { class: "message", role: "status" });
  private readonly summary = h("summary", {});
  private readonly words: [HTMLElement, Key][] = [];
  readonly element: HTMLDetailsElement;

  constructor(
    private readonly store: Store,
    private readonly reasons: Reasons,
    private readonly done: () => void,
  ) {
    const label = (key: Key, input: HTMLElement): HTMLElement => {
      const text = h("span", {});
      this.words.push([text, key]);
      return h("label", {}, text, input);
    };
    const form = h(
      "form",
      {},
      label("sourceUrl", this.url),
      label("sourceName", this.name),
      label("sourceId", this.id),
      label("sourceSub", this.sub),
      label("sourceAlways", this.always),
      h("span", { class: "acts" }, this.tryButton, this.button),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.put();
    });
    this.element = h("details", { class: "invite" }, this.summary, form, this.message);
  }

  render(): void {
    this.element.hidden = !this.store.technician();
    setText(this.summary, t("sourceAdd"));
    setText(this.button, t("sourcePut"));
    if (!this.tryButton.disabled) setText(this.tryButton, t("sourceTry"));
    for (const [place, key] of this.words) setText(place, t(key));
  }

  private async try(): Promise<void> {
    if (!this.url.value.trim()) return this.url.focus();
    this.tryButton.disabled = true;
    setText(this.message, t("sourceTrying"));
    const asked = this.store.api.post<SourceTest>("/api/v1/sources/test", { url: this.url.value.trim() });
    const problem = await this.store.attempt(asked);
    this.tryButton.disabled = false;
    if (problem) setText(this.message, `${say(problem.cause)} ${say(problem.cure)} ${detail(problem.detail)}`);
    else {
      const result = await asked;
      const tracks = result.tracks.map((track) => `${track.codec.toUpperCase()}${track.width ? ` ${track.width}×${track.height}` : ""}`).join(" + ");
      const failed = `${this.reasons.cause(result.code)} ${this.reasons.cure(result.code)} ${detail(result.detail)}`;
      setText(this.message, result.ok ? t("sourceGood", result.took_s.toFixed(1), tracks) : failed);
    }
    this.render();
  }

  private async put(): Promise<void> {
    const body = { url: this.url.value.trim(), sub_url: this.sub.value.trim(), name: this.name.value.trim(), id: this.id.value.trim(), on_demand: !this.always.checked };
    const asked = this.store.api.post<CommandResult>("/api/v1/sources", body);
    const problem = await this.store.attempt(asked);
    if (problem) {
      setText(this.message, `${say(problem.cause)} ${say(problem.cure)} ${detail(problem.detail)}`);
      return;
    }
    const made = (await asked).data?.["stream"];
    setText(this.message, t("sourceAdded", String(made ?? "")));
    // A password that was typed does not stay on the screen.
    this.url.value = this.sub.value = this.name.value = this.id.value = "";
    this.done();
  }
}
