// Recordings and other files: at a kit somebody chooses one for the centers, at a center stands what its kits sent.

import { fill, h, setText } from "./dom";
import { type Key, language, say, span, t } from "./i18n";
import type { Store } from "./store";
import type { KitFile } from "./types";

export function sizeText(bytes: number): string {
  return bytes < 1e6 ? `${Math.max(1, Math.round(bytes / 1e3))} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

/** What a kit sent, newest first: whole ones can be saved, of others it is said how much is here. */
export function fileList(files: KitFile[], now: number, remove?: (file: KitFile) => void): HTMLElement {
  if (files.length === 0) return h("p", { class: "kit-files quiet" }, t("filesNone"));
  const rows = files.map((one) => {
    const { gateway, file, received, received_at, complete_at } = one;
    const link = `/api/v1/kit-files/${encodeURIComponent(gateway)}/${encodeURIComponent(file.id)}/file`;
    const facts = [
      file.device && file.device !== gateway ? file.device.slice(gateway.length + 1) : "",
      sizeText(file.size),
      complete_at === null ? t("filesPart", Math.floor((100 * received) / Math.max(1, file.size))) : "",
      t("ago", span(now - received_at)),
    ];
    return h(
      "li",
      { "data-file": file.id },
      complete_at === null ? h("span", {}, file.name) : h("a", { href: link, download: file.name }, file.name),
      h("span", { class: "quiet" }, facts.filter(Boolean).join(" · ")),
      remove && complete_at !== null && h("button", { type: "button", onclick: () => remove(one) }, t("filesDelete")),
    );
  });
  return h("ul", { class: "kit-files" }, ...rows);
}

/** At a kit: choose a recording, and whose it is. */
export class SendForm {
  private readonly file = h("input", { type: "file", required: true });
  private readonly device = h("select", {});
  private readonly button = h("button", { type: "submit", class: "primary" });
  private readonly message = h("p", { class: "message", role: "status" });
  private readonly summary = h("summary", {});
  private readonly words: [HTMLElement, Key][] = [];
  private listed = "";
  readonly element: HTMLDetailsElement;

  constructor(private readonly store: Store) {
    const form = h("form", {}, this.labelled("filesChoose", this.file), this.labelled("filesDevice", this.device), h("span", { class: "acts" }, this.button));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const chosen = this.file.files?.[0];
      if (chosen) void this.send(chosen);
    });
    this.element = h("details", { class: "invite pair" }, this.summary, form, this.message);
  }

  render(shown: boolean): void {
    this.element.hidden = !shown || !["operator", "technician", "administrator"].includes(this.store.api.who?.role ?? "");
    setText(this.summary, t("filesSend"));
    setText(this.button, t("filesSendNow"));
    for (const [place, key] of this.words) setText(place, t(key));
    const devices = [...this.store.devices.values()];
    const listed = JSON.stringify([language(), devices.map((one) => [one.id, one.name])]);
    if (listed === this.listed) return;
    this.listed = listed;
    const chosen = this.device.value;
    fill(
      this.device,
      h("option", { value: "" }, t("filesOfKit")),
      ...devices.map((one) => h("option", { value: one.id, selected: one.id === chosen }, one.name || one.id)),
    );
  }

  async send(chosen: File): Promise<void> {
    const about = new URLSearchParams({ name: chosen.name.slice(-120), device: this.device.value });
    this.button.disabled = true;
    setText(this.message, t("filesSending", chosen.name));
    const sent = this.store.api.send("POST", `/api/v1/outbox/files?${about}`, { raw: chosen, contentType: "application/octet-stream" });
    const problem = await this.store.attempt(sent).finally(() => (this.button.disabled = false));
    setText(this.message, problem ? `${say(problem.cause)} ${say(problem.cure)}` : t("filesWait", chosen.name));
    if (!problem) this.file.value = "";
  }

  private labelled(key: Key, input: HTMLElement): HTMLElement {
    const text = h("span", {});
    this.words.push([text, key]);
    return h("label", { class: "wide" }, text, input);
  }
}
