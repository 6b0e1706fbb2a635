// Pairing from the console: at a center a kit's code goes in and the answer comes out; at a kit the other way round.

import { ApiError } from "./api";
import { fill, h, setText } from "./dom";
import { type Key, say, t, word } from "./i18n";
import type { Reasons } from "./panels";
import { detail } from "./phrases";
import type { Store } from "./store";
import type { Offer } from "./types";

const ASK_EVERY_MS = 2000;
const ROLES = ["viewer", "operator", "technician"];

/** At a center: admit a kit. */
export class AdmitForm {
  private readonly code = h("textarea", { required: true, maxlength: "4096", rows: "3", autocomplete: "off", spellcheck: "false" });
  private readonly name = h("input", { type: "text", maxlength: "64" });
  private readonly button = h("button", { type: "submit", class: "primary" });
  private readonly message = h("p", { class: "message", role: "status" });
  private readonly answer = h("div", { class: "pair-answer", hidden: true });
  private readonly summary = h("summary", {});
  private readonly words: [HTMLElement, Key][] = [];
  readonly element: HTMLDetailsElement;

  constructor(
    private readonly store: Store,
    private readonly done: () => void,
  ) {
    const form = h("form", {}, labelled(this.words, "pairAdmitHow", this.code), labelled(this.words, "pairName", this.name), h("span", { class: "acts" }, this.button));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.admit();
    });
    this.element = h("details", { class: "invite pair" }, this.summary, form, this.message, this.answer);
  }

  render(shown: boolean): void {
    this.element.hidden = !shown || this.store.api.who?.role !== "administrator";
    setText(this.summary, t("pairAdmit"));
    setText(this.button, t("admit"));
    for (const [place, key] of this.words) setText(place, t(key));
  }

  private async admit(): Promise<void> {
    const asked = this.store.api.post<{ kit: { gateway: string }; answer: string; qr: string }>("/api/v1/pairing/admit", { code: this.code.value.trim(), name: this.name.value.trim() });
    const problem = await this.store.attempt(asked);
    this.answer.hidden = problem !== null;
    if (problem) {
      setText(this.message, `${say(problem.cause)} ${say(problem.cure)}`);
      return;
    }
    const made = await asked;
    setText(this.message, t("pairAdmitted", made.kit.gateway));
    fill(this.answer, picture(made.qr), h("code", { class: "pair-code" }, made.answer));
    this.code.value = this.name.value = "";
    this.done();
  }
}

/** At a kit: a code for a center. */
export class OfferForm {
  private readonly center = h("input", { type: "text", maxlength: "256", autocomplete: "off", spellcheck: "false", inputmode: "url", placeholder: "center.example:8443" });
  private readonly role = h("select", {});
  private readonly button = h("button", { type: "submit", class: "primary" });
  private readonly taken = h("textarea", { maxlength: "4096", rows: "2", autocomplete: "off", spellcheck: "false" });
  private readonly take = h("button", { type: "button", onclick: () => void this.accept() });
  private readonly message = h("p", { class: "message", role: "status" });
  private readonly shown = h("div", { class: "pair-answer", hidden: true });
  private readonly summary = h("summary", {});
  private readonly words: [HTMLElement, Key][] = [];
  private timer: ReturnType<typeof setInterval> | undefined;
  private offer = "";
  readonly element: HTMLDetailsElement;

  constructor(
    private readonly store: Store,
    private readonly reasons: Reasons,
    private readonly done: () => void,
  ) {
    const form = h("form", {}, labelled(this.words, "pairCenter", this.center), labelled(this.words, "pairRole", this.role), h("span", { class: "acts" }, this.button));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.make();
    });
    const answer = h("form", {}, labelled(this.words, "pairAnswer", this.taken), h("span", { class: "acts" }, this.take));
    this.element = h("details", { class: "invite pair" }, this.summary, form, this.message, this.shown, answer);
  }

  render(shown: boolean): void {
    this.element.hidden = !shown || !this.store.technician();
    setText(this.summary, t("pairShow"));
    setText(this.button, t("pairMake"));
    setText(this.take, t("pairTake"));
    for (const [place, key] of this.words) setText(place, t(key));
    const chosen = this.role.value || "operator";
    fill(this.role, ...ROLES.map((role) => h("option", { value: role, selected: role === chosen }, word(role))));
  }

  stop(): void {
    clearInterval(this.timer);
  }

  private async make(): Promise<void> {
    const body = { role: this.role.value || "operator", center: this.center.value.trim() };
    const asked = this.store.api.post<{ offer: Offer; code: string; qr: string }>("/api/v1/pairing/offers", body);
    const problem = await this.store.attempt(asked);
    if (problem) {
      setText(this.message, `${say(problem.cause)} ${say(problem.cure)} ${detail(problem.detail)}`);
      return;
    }
    const made = await asked;
    this.offer = made.offer.id;
    this.shown.hidden = false;
    fill(this.shown, h("p", {}, t("pairCode")), picture(made.qr), h("code", { class: "pair-code" }, made.code));
    setText(this.message, made.offer.asked ? t("pairWaits") : "");
    clearInterval(this.timer);
    this.timer = setInterval(() => void this.ask(), ASK_EVERY_MS);
  }

  private async ask(): Promise<void> {
    let told: Offer;
    try {
      told = await this.store.api.get<Offer>(`/api/v1/pairing/offers/${encodeURIComponent(this.offer)}`, { background: true });
    } catch (error) {
      // A kit that was started anew knows its codes no more; anything else may pass.
      if (error instanceof ApiError && error.problem.status === 404) {
        clearInterval(this.timer);
        this.shown.hidden = true;
        setText(this.message, `${say(error.problem.cause)} ${say(error.problem.cure)}`);
      }
      return;
    }
    if (told.state === "waiting") {
      if (told.code) setText(this.message, `${this.reasons.cause(told.code)} ${this.reasons.cure(told.code)}`);
      return;
    }
    clearInterval(this.timer);
    this.shown.hidden = true;
    setText(this.message, told.state === "paired" ? t("pairDone", told.center) : `${this.reasons.cause("pair-ended")} ${this.reasons.cure("pair-ended")}`);
    this.done();
  }

  private async accept(): Promise<void> {
    const asked = this.store.api.post<{ gateway: string; name: string }>("/api/v1/pairing/accept", { answer: this.taken.value.trim() });
    const problem = await this.store.attempt(asked);
    if (problem) {
      setText(this.message, `${say(problem.cause)} ${say(problem.cure)}`);
      return;
    }
    const center = await asked;
    this.taken.value = "";
    this.shown.hidden = true;
    clearInterval(this.timer);
    setText(this.message, t("pairDone", center.name || center.gateway));
    this.done();
  }
}

function labelled(words: [HTMLElement, Key][], key: Key, input: HTMLElement): HTMLElement {
  const text = h("span", {});
  words.push([text, key]);
  return h("label", { class: "wide" }, text, input);
}

/** The server's SVG as a picture: no markup of its goes into the page. */
function picture(svg: string): HTMLElement {
  return h("img", { class: "qr", alt: "", src: `data:image/svg+xml;base64,${btoa(svg.includes("xmlns") ? svg : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'))}` });
}
