// Kits of a center, each with its links and why something is missing; at a kit the same of its centers. And pairing.

import { fill, h, setText } from "./dom";
import { language, say, span, t, word } from "./i18n";
import { fileList, SendForm } from "./kitfiles";
import { centerFacts, conditionFacts, fieldTone, inOrder, kitFacts, kitState, kitTone, linkWords, textWords } from "./kitwords";
import { ownLinks } from "./linkcard";
import { linkPlots } from "./linkplot";
import { AdmitForm, OfferForm } from "./pairform";
import type { Reasons } from "./panels";
import { detail } from "./phrases";
import { Redraw } from "./redraw";
import type { Store } from "./store";
import type { Center, Kit, KitFile, Link, Standing, Trail } from "./types";

const PICTURE_EVERY_MS = 5000;
const PLOT_EVERY_MS = 30000;
/** Among the plots: this machine's own links; no gateway is called so. */
const OWN = "";
const ago = (at: number): string => t("ago", span(Date.now() / 1000 - at));

export class KitsPanel {
  private readonly list = h("ul", {});
  private readonly message = h("p", { class: "message", role: "status" });
  private readonly admit: AdmitForm;
  private readonly offer: OfferForm;
  private readonly send: SendForm;
  readonly element: HTMLElement;
  private readonly plots = new Map<string, Trail[] | null>();
  private readonly files = new Map<string, KitFile[] | null>();
  private timers: ReturnType<typeof setInterval>[] = [];
  private drawn = "";
  private readonly painter = new Redraw(this.list, () => this.draw());
  /** Pictures stay where they are while the words around them change. */
  private readonly figures = new Map<string, HTMLElement>();

  constructor(
    private readonly store: Store,
    private readonly reasons: Reasons,
  ) {
    this.admit = new AdmitForm(store, () => void this.store.readKits());
    this.offer = new OfferForm(store, reasons, () => void this.store.readKits());
    this.send = new SendForm(store);
    this.element = h("section", { class: "kits" }, this.message, this.list, this.send.element, this.admit.element, this.offer.element);
    store.on("kits", () => this.seen() && this.render());
  }

  start(): void {
    this.timers = [
      setInterval(() => this.seen() && this.pictures(), PICTURE_EVERY_MS),
      setInterval(() => this.seen() && void this.readPlots(), PLOT_EVERY_MS),
      setInterval(() => this.seen() && void this.readFiles(), PLOT_EVERY_MS),
    ];
  }

  stop(): void {
    for (const timer of this.timers) clearInterval(timer);
    this.offer.stop();
  }

  /** Kits or centers that something is wrong with. */
  troubled(): number {
    return [...this.store.kits.values()].filter((kit) => kit.state !== "online").length;
  }

  private seen(): boolean {
    return this.element.isConnected && !document.hidden;
  }

  render(): void {
    this.admit.render(this.store.role === "center");
    this.offer.render(this.store.role !== "center");
    this.send.render(this.store.role !== "center" && [...this.store.kits.values()].some((kit) => kit.centers.length > 0));
    this.painter.now();
  }

  private draw(): void {
    const kits = inOrder(this.store.kits.values());
    const own = [...this.store.ownLinks.values()];
    const standing = this.store.role === "center" ? null : this.store.standing;
    const drawn = JSON.stringify([language(), this.store.api.who?.role, kits, own, standing, [...this.plots], [...this.files], Math.floor(Date.now() / 15000)]); // ages grow
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const cards = kits.length === 0 ? [h("li", { class: "empty" }, t("noKits"))] : kits.map((kit) => this.card(kit));
    fill(this.list, ...(own.length || standing ? [this.ownCard(standing)] : []), ...cards);
    for (const [gateway, figure] of this.figures) if (!figure.isConnected) this.figures.delete(gateway);
  }

  /** This machine itself: the field team's word at a kit, how it stands, its links with their day. */
  private ownCard(standing: Standing | null): HTMLElement {
    const links = ownLinks(this.store.ownLinks.values(), this.reasons);
    return h(
      "li",
      { "data-own-links": "", "data-tone": standing ? fieldTone(standing.field.word) : "idle" },
      h("span", { class: "dot" }),
      h("div", { class: "text" }, ...(standing ? this.word(standing) : [h("strong", {}, t("linksOwn"))]), ...(links.length ? links : [h("span", { class: "quiet" }, t("linksNone"))])),
      h("span", { class: "acts" }, standing && h("a", { href: "/field", target: "_blank", rel: "noopener" }, t("fieldPage")), links.length > 0 && this.plotButton(OWN)),
      this.plot(OWN),
    );
  }

  private word({ field, condition }: Standing): HTMLElement[] {
    const codes = new Set([field.code, ...field.more, ...condition.codes]);
    for (const quiet of ["", field.code, "on-battery"]) codes.delete(quiet);
    return [
      h("strong", { "data-tone": fieldTone(field.word) }, `${t("kitThis")}: `, h("span", { class: "state", "data-word": field.word }, word(`field.${field.word}`))),
      ...(field.code ? [h("span", { class: field.word === "ready" ? "warn" : "" }, `${this.reasons.cause(field.code)} ${this.reasons.cure(field.code)}`)] : []),
      h("span", { class: "quiet condition" }, conditionFacts({ condition }, Date.now() / 1000).join(" · ")),
      ...[...codes].map((code) => h("span", { class: "warn" }, `${this.reasons.cause(code)} ${this.reasons.cure(code)}`.trim())),
    ];
  }

  private card(kit: Kit): HTMLElement {
    const own = kit.centers.length > 0;
    const why = kit.code ? `${this.reasons.cause(kit.code)} ${this.reasons.cure(kit.code)}`.trim() : "";
    return h(
      "li",
      { "data-tone": kitTone(kit.state), "data-kit": kit.gateway },
      h("span", { class: "dot" }),
      h(
        "div",
        { class: "text" },
        h("strong", {}, kit.name || kit.gateway, " ", h("span", { class: "state" }, `${own ? `${t("kitThis")}, ` : ""}${kitState(kit.state)}${kit.state === "offline" && kit.last_seen ? `, ${ago(kit.last_seen)}` : ""}`)),
        h("span", { class: "quiet" }, kitFacts(kit).join(" · ")),
        // What was given up is said with its picture.
        why && !kit.gave_up.some((one) => one.code === kit.code) && h("span", { class: "warn" }, why),
        kit.detail && h("span", { class: "quiet detail" }, detail(kit.detail)),
        this.byText(kit),
        kit.condition && h("span", { class: "quiet condition" }, conditionFacts(kit, Date.now() / 1000).join(" · ")),
        ...(kit.condition?.codes ?? []).filter((code) => code !== "on-battery").map((code) => h("span", { class: "warn", title: this.reasons.cure(code) }, this.reasons.cause(code))),
        ...kit.gave_up.map((one) => h("span", { class: "warn" }, `${t("kitGaveUp", this.store.streams.get(one.stream)?.title || one.stream)} · ${this.reasons.cause(one.code)}`)),
        ...(own ? kit.centers.map((center) => this.center(center)) : this.links(kit.gateway, kit.links)),
        kit.thumbnail_at !== null && this.thumbnail(kit.gateway, kit.thumbnail_at),
      ),
      !own && h("span", { class: "acts" }, this.plotButton(kit.gateway), this.filesButton(kit.gateway), this.store.api.who?.role === "administrator" && h("button", { type: "button", onclick: () => void this.revoke(kit) }, t("pairRevoke"))),
      !own && this.plot(kit.gateway),
      !own && this.filesOf(kit.gateway),
    );
  }

  /** What is left of a kit that has nothing but short messages. */
  private byText(kit: Kit): HTMLElement | false {
    const told = textWords(kit, ago);
    if (!told) return false;
    const dot = (): HTMLElement => h("span", { class: "dot" });
    return h(
      "div",
      { class: "by-text", "data-by-text": kit.gateway },
      h("strong", { class: "warn" }, told.head),
      told.facts.length > 0 && h("span", {}, told.facts.join(" · ")),
      h("span", { class: "number" }, told.place),
      ...told.links.map((link) => h("span", { class: "told", "data-tone": link.tone }, dot(), link.text)),
      ...told.alarms.map((alarm) => h("span", { class: "told", "data-tone": alarm.severity === "critical" || alarm.severity === "major" ? "bad" : "wait" }, dot(), alarm.text)),
    );
  }

  private center(center: Center): HTMLElement {
    const why = center.code ? `${this.reasons.cause(center.code)} ${this.reasons.cure(center.code)}`.trim() : "";
    return h(
      "div",
      { class: "center", "data-tone": kitTone(center.state) },
      h("strong", {}, `${t("kitCenter")} ${center.name || center.gateway} `, h("span", { class: "state" }, kitState(center.state))),
      h("span", { class: "quiet" }, centerFacts(center).join(" · ")),
      why && h("span", { class: "warn" }, why),
      center.detail && h("span", { class: "quiet detail" }, detail(center.detail)),
      ...this.links(center.gateway, center.links),
      center.thumbnail_at !== null && this.thumbnail(center.gateway, center.thumbnail_at),
      h("span", { class: "acts" }, this.plotButton(center.gateway), this.store.technician() && h("button", { type: "button", onclick: () => void this.part(center) }, t("pairPart"))),
      this.plot(center.gateway),
    );
  }

  private links(gateway: string, links: Link[]): HTMLElement[] {
    return links.map((link) => {
      const said = linkWords(link, ago);
      const why = said.code ? this.reasons.cause(said.code) : "";
      const filled = h("i");
      filled.style.width = `${(said.fill * 100).toFixed(0)}%`; // an attribute the page's policy would not let pass
      const bar = h("span", { class: "link-bar", role: "meter", "aria-valuemin": "0", "aria-valuemax": "1", "aria-valuenow": said.fill.toFixed(2), "aria-label": said.name }, filled);
      return h(
        "span",
        { class: "link-row", "data-tone": said.tone, "data-link": `${gateway}/${link.name}`, title: why },
        h("span", { class: "dot" }),
        h("span", { class: "name" }, said.name),
        h("span", { class: "state" }, said.figures || said.state),
        bar,
        why && h("span", { class: "facts warn" }, why),
      );
    });
  }

  private thumbnail(gateway: string, at: number): HTMLElement {
    const kept = this.figures.get(gateway);
    const figure = kept ?? h("figure", { class: "thumbnail", "data-thumbnail": gateway }, h("img", { alt: "" }), h("figcaption", { class: "quiet" }));
    const drawn = `${at} ${language()}`;
    if (figure.dataset["drawn"] !== drawn) void this.picture(figure);
    figure.dataset["drawn"] = drawn;
    this.figures.set(gateway, figure);
    return figure;
  }

  /** Pictures with their age: the age is the server's, so that a kit's wrong clock does no harm. */
  private pictures(): void {
    for (const place of this.list.querySelectorAll<HTMLElement>("[data-thumbnail]")) void this.picture(place);
  }

  private async picture(place: HTMLElement): Promise<void> {
    const gateway = place.dataset["thumbnail"] ?? "";
    try {
      const answer = await this.store.api.send("GET", `/api/v1/kits/${encodeURIComponent(gateway)}/thumbnail.jpg`, { background: true });
      const [image, caption] = [place.querySelector("img"), place.querySelector("figcaption")];
      const url = URL.createObjectURL(await answer.blob());
      if (!image || !caption) return;
      image.addEventListener("load", () => URL.revokeObjectURL(url), { once: true });
      image.src = url;
      setText(caption, t("kitSent", span(Number(answer.headers.get("Fieldgate-Picture-Age") ?? "0"))));
    } catch {
      return; // the next one
    }
  }

  private plotButton(gateway: string): HTMLElement {
    const act = (): void => {
      if (this.plots.delete(gateway)) this.render();
      else {
        this.plots.set(gateway, null);
        void this.readPlots();
      }
    };
    return h("button", { type: "button", "aria-expanded": String(this.plots.has(gateway)), onclick: act }, t(this.plots.has(gateway) ? "linkHide" : "linkDay"));
  }

  private filesButton(gateway: string): HTMLElement {
    const act = (): void => {
      if (this.files.delete(gateway)) this.render();
      else {
        this.files.set(gateway, null);
        void this.readFiles();
      }
    };
    return h("button", { type: "button", "aria-expanded": String(this.files.has(gateway)), onclick: act }, t("files"));
  }

  private filesOf(gateway: string): HTMLElement | false {
    const files = this.files.get(gateway);
    if (!files) return false;
    const may = this.store.api.who?.role === "administrator";
    return fileList(files, Date.now() / 1000, may ? (one) => void this.removeFile(one) : undefined);
  }

  private async removeFile({ gateway, file }: KitFile): Promise<void> {
    if (!confirm(t("filesDeleteSure", file.name))) return;
    const problem = await this.store.attempt(this.store.api.send("DELETE", `/api/v1/kit-files/${encodeURIComponent(gateway)}/${encodeURIComponent(file.id)}`));
    setText(this.message, problem ? `${say(problem.cause)} ${detail(problem.detail)}` : "");
    await this.readFiles();
  }

  private async readFiles(): Promise<void> {
    for (const gateway of [...this.files.keys()]) {
      const asked = this.store.api.get<KitFile[]>(`/api/v1/kit-files?limit=50&gateway=${encodeURIComponent(gateway)}`, { background: true });
      const problem = await this.store.attempt(asked);
      if (problem) setText(this.message, `${say(problem.cause)} ${say(problem.cure)}`);
      else if (this.files.has(gateway)) this.files.set(gateway, await asked);
    }
    this.render();
  }

  private plot(gateway: string): HTMLElement | false {
    const trails = this.plots.get(gateway);
    return trails ? linkPlots(trails, Date.now() / 1000) : false;
  }

  private async readPlots(): Promise<void> {
    await Promise.all(
      [...this.plots.keys()].map(async (gateway) => {
        try {
          const trails = await this.trails(gateway);
          if (this.plots.has(gateway)) this.plots.set(gateway, trails);
        } catch {
          return; // what was drawn stays
        }
      }),
    );
    this.render();
  }

  private async trails(gateway: string): Promise<Trail[]> {
    const asked = "hours=24&points=480";
    const background = { background: true };
    if (gateway === OWN) return this.store.api.get<Trail[]>(`/api/v1/links/trails?${asked}`, background);
    return (await this.store.api.get<{ trails: Trail[] }>(`/api/v1/kits/${encodeURIComponent(gateway)}/links?${asked}`, background)).trails;
  }

  private async revoke(kit: Kit): Promise<void> {
    if (!confirm(t("pairRevokeSure", kit.name || kit.gateway))) return;
    const problem = await this.store.attempt(this.store.api.post(`/api/v1/kits/${encodeURIComponent(kit.gateway)}/revoke`, {}));
    setText(this.message, problem ? `${say(problem.cause)} ${detail(problem.detail)}` : "");
  }

  private async part(center: Center): Promise<void> {
    if (!confirm(t("pairPartSure", center.name || center.gateway))) return;
    const problem = await this.store.attempt(this.store.api.send("DELETE", `/api/v1/pairing/centers/${encodeURIComponent(center.gateway)}`));
    setText(this.message, problem ? `${say(problem.cause)} ${detail(problem.detail)}` : "");
    await this.store.readKits();
  }
}
