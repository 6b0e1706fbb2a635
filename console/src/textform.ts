// Writing a short message: to whom, what, how many messages that is, who carries it; sent once however often it is pressed.

import { fill, h, setText } from "./dom";
import { language, say, t, word } from "./i18n";
import type { Reasons } from "./panels";
import { detail } from "./phrases";
import type { Store } from "./store";
import { kindOf } from "./textsize";
import { sizeWords } from "./textwords";

export class TextForm {
  private readonly to = h("input", { type: "text", autocomplete: "off", maxlength: "64", required: true, name: "to" });
  private readonly body = h("textarea", { rows: "3", maxlength: "3200", required: true });
  private readonly size = h("p", { class: "quiet size", role: "status" });
  private readonly urgent = h("input", { type: "checkbox" });
  private readonly urgentText = h("span");
  private readonly carrier = h("select");
  private readonly button = h("button", { type: "submit", class: "primary" });
  private readonly message = h("p", { class: "message", role: "alert" });
  private readonly summary = h("summary");
  private readonly form = h("form", {}, this.to, this.body, this.size, h("label", { class: "tick" }, this.urgent, this.urgentText), this.carrier, this.button, this.message);
  readonly element = h("details", { class: "write" }, this.summary, this.form);
  /** The same until it was taken: a second press after a lost answer makes no second message. */
  private id = "";
  private busy = false;
  private drawn = "";

  constructor(
    private readonly store: Store,
    private readonly reasons: Reasons,
    private readonly sent: (number: string) => void,
  ) {
    for (const field of [this.to, this.body, this.urgent, this.carrier]) {
      field.addEventListener("input", () => {
        this.id = "";
        this.render();
      });
    }
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.send();
    });
  }

  /** To write to somebody, with a text that may be changed. */
  open(to: string, body = ""): void {
    this.element.open = true;
    this.to.value = to;
    if (body) this.body.value = body;
    this.id = "";
    this.render();
    (to ? this.body : this.to).focus();
  }

  render(): void {
    setText(this.summary, t("textWrite"));
    for (const [field, words] of [[this.to, t("textTo")], [this.body, t("textBody")]] as const) {
      field.placeholder = words;
      field.setAttribute("aria-label", words);
    }
    setText(this.urgentText, t("textUrgent"));
    setText(this.button, t("textSend"));
    const kind = kindOf(this.to.value);
    this.carriers(kind);
    const told = sizeWords(this.body.value, kind, this.store.texts.carriers.values(), this.carrier.value, this.reasons);
    setText(this.size, this.body.value ? told.text : "");
    this.size.dataset["tone"] = told.fits ? "" : "bad";
    this.button.disabled = this.busy || !told.fits;
  }

  private carriers(kind: string): void {
    const fit = [...this.store.texts.carriers.values()].filter((one) => one.kind === kind);
    const drawn = JSON.stringify([language(), fit.map((one) => one.name)]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const kept = this.carrier.value;
    fill(this.carrier, h("option", { value: "" }, t("textAnyCarrier")), ...fit.map((one) => h("option", { value: one.name }, `${one.name} · ${word(`carrier.${one.kind}`)}`)));
    this.carrier.value = fit.some((one) => one.name === kept) ? kept : "";
    this.carrier.hidden = fit.length < 2;
    this.carrier.setAttribute("aria-label", t("textAnyCarrier"));
  }

  private async send(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    this.render();
    this.id ||= `console-${Date.now().toString(36)}-${Math.random().toString(36).slice(2, 12)}`;
    const body = { to: this.to.value.trim(), body: this.body.value, id: this.id, urgent: this.urgent.checked, carrier: this.carrier.value };
    const asked = this.store.api.post<{ to: string }>("/api/v1/texts/out", body);
    const problem = await this.store.attempt(asked).finally(() => (this.busy = false));
    if (problem) setText(this.message, `${say(problem.cause)} ${say(problem.cure)} ${detail(problem.detail)}`.trim());
    else {
      setText(this.message, "");
      this.id = "";
      this.body.value = "";
      this.urgent.checked = false;
      this.sent((await asked).to);
    }
    this.render();
  }
}
