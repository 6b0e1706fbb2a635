// What phones on site report, and the invitations that let them in.

import { fill, h, setText } from "./dom";
import { say, span, t, word } from "./i18n";
import { detail } from "./phrases";
import type { Store } from "./store";
import type { Invitation, InvitationMade, Report } from "./types";

const ago = (at: number): string => t("ago", span(Date.now() / 1000 - at));
const HOUR = 3600;

export class ReportsPanel {
  private readonly list = h("ul", {});
  private readonly invite: InviteForm;
  readonly element: HTMLElement;
  private drawn = "";

  constructor(private readonly store: Store) {
    this.invite = new InviteForm(store);
    this.element = h("section", { class: "reports" }, this.invite.element, this.list);
    store.on("reports", () => this.render());
  }

  /** Those that nobody has looked at; positions are on the map and need no look. */
  fresh(): number {
    return this.store.reports.filter((one) => !one.seen_by && one.kind !== "position").length;
  }

  render(): void {
    this.invite.render();
    const reports = this.store.reports.filter((one) => one.kind !== "position");
    // A voice note that plays is not made anew by the next report's arrival: only lines that differ are.
    const drawn = JSON.stringify([document.documentElement.lang, reports.map((one) => [one.id, one.complete_at, one.seen_by])]);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    const before = new Map([...this.list.children].map((line) => [(line as HTMLElement).dataset["key"], line]));
    if (reports.length === 0) fill(this.list, h("li", { class: "empty" }, t("noReports")));
    else fill(this.list, ...reports.map((one) => before.get(key(one)) ?? this.report(one)));
  }

  private report(report: Report): HTMLElement {
    const message = h("p", { class: "message", role: "status" });
    const seen = async (): Promise<void> => {
      const problem = await this.store.attempt(this.store.api.post(`/api/v1/reports/${report.id}/seen`, {}));
      if (problem) setText(message, `${say(problem.cause)} ${detail(problem.detail)}`);
      else {
        report.seen_by = this.store.api.who?.name ?? "";
        this.store.changed("reports");
      }
    };
    return h(
      "li",
      { class: report.seen_by ? "past" : "", "data-key": key(report), "data-id": report.id },
      h("span", { class: "dot" }),
      h(
        "div",
        { class: "text" },
        h("strong", {}, `${word(`report.${report.kind}`)} · ${[report.who, report.place].filter(Boolean).join(" · ")}`),
        report.text && h("span", {}, report.text),
        this.media(report),
        report.where && h("span", { class: "quiet" }, placeWords(report)),
        h("time", { class: "quiet", title: new Date(report.taken_at * 1000).toLocaleString(document.documentElement.lang) }, ago(report.taken_at)),
        message,
      ),
      !report.seen_by && this.store.mayMove() && h("button", { type: "button", onclick: () => void seen() }, t("reportSeen")),
    );
  }

  private media(report: Report): Node | null {
    if (!report.size) return null;
    if (!report.complete_at) return h("span", { class: "warn" }, t("reportComing"));
    const url = `/api/v1/reports/${report.id}/file`;
    if (report.kind === "photo" && report.media_type !== "image/heic") {
      return h("a", { href: url, target: "_blank", rel: "noopener" }, h("img", { src: url, alt: t("report.photo"), loading: "lazy" }));
    }
    if (report.kind === "voice" && report.media_type !== "audio/amr") return h("audio", { src: url, controls: true, preload: "none" });
    return h("a", { href: url, download: true }, t("reportFile"));
  }
}

function key(report: Report): string {
  return `${document.documentElement.lang} ${report.id} ${report.complete_at ? 1 : 0} ${report.seen_by}`;
}

function placeWords(report: Report): string {
  const where = report.where;
  if (!where) return "";
  const accuracy = where.accuracy_m === null ? t("accuracyUnknown") : t("accuracy", Math.round(where.accuracy_m));
  return `${where.longitude.toFixed(5)}, ${where.latitude.toFixed(5)} WGS-84 ${accuracy}`;
}

/** Who is to be invited; the link and its QR once; what stands. */
class InviteForm {
  private readonly label = h("input", { type: "text", maxlength: "64", required: true });
  private readonly place = h("input", { type: "text", maxlength: "64" });
  private readonly hours = h("input", { type: "number", min: "1", max: "2160", value: "24" });
  private readonly phones = h("input", { type: "number", min: "1", max: "200", value: "5" });
  private readonly button = h("button", { type: "submit", class: "primary" });
  private readonly message = h("p", { class: "message", role: "status" });
  private readonly made = h("div", { class: "made" });
  private readonly standing = h("ul", { class: "invitations" });
  private readonly summary = h("summary", {});
  private readonly words: [HTMLElement, Parameters<typeof t>[0]][];
  readonly element: HTMLDetailsElement;

  constructor(private readonly store: Store) {
    const fields: [Parameters<typeof t>[0], HTMLElement][] = [
      ["inviteWho", this.label],
      ["inviteWhere", this.place],
      ["inviteHours", this.hours],
      ["invitePhones", this.phones],
    ];
    this.words = fields.map(([name]) => [h("span", {}), name]);
    const form = h("form", {}, ...fields.map(([, input], i) => h("label", {}, this.words[i]?.[0], input)), this.button);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.invite();
    });
    this.element = h("details", { class: "invite" }, this.summary, form, this.message, this.made, this.standing);
    this.element.addEventListener("toggle", () => {
      if (this.element.open) void this.read();
      else fill(this.made); // a link is shown once, not for whoever comes by later
    });
  }

  render(): void {
    this.element.hidden = !this.store.mayMove();
    setText(this.summary, t("invite"));
    setText(this.button, t("inviteMake"));
    for (const [place, name] of this.words) setText(place, t(name));
  }

  private async invite(): Promise<void> {
    const body = { label: this.label.value, place: this.place.value, ttl_s: Number(this.hours.value) * HOUR, phones: Number(this.phones.value) };
    const asked = this.store.api.post<InvitationMade>("/api/v1/invitations", body);
    const problem = await this.store.attempt(asked);
    setText(this.message, problem ? `${say(problem.cause)} ${say(problem.cure)} ${detail(problem.detail)}` : "");
    if (problem) return;
    const { link, qr } = await asked;
    const text = h("input", { type: "text", readonly: true, value: link, class: "link-text", "aria-label": t("inviteLink") });
    text.addEventListener("focus", () => text.select());
    const image = h("img", { class: "qr", alt: "QR", src: `data:image/svg+xml,${encodeURIComponent(standalone(qr))}` });
    fill(this.made, image, text, h("p", { class: "quiet" }, t("inviteOnce")));
    this.label.value = this.place.value = "";
    await this.read();
  }

  private async read(): Promise<void> {
    try {
      const all = await this.store.api.get<Invitation[]>("/api/v1/invitations", { background: true });
      const now = Date.now() / 1000;
      fill(this.standing, ...all.filter((one) => !one.revoked_at && one.expires_at > now).map((one) => this.line(one)));
    } catch {
      // the link says so in the header
    }
  }

  private line(one: Invitation): HTMLElement {
    const revoke = async (): Promise<void> => {
      const problem = await this.store.attempt(this.store.api.send("DELETE", `/api/v1/invitations/${one.id}`));
      setText(this.message, problem ? `${say(problem.cause)} ${detail(problem.detail)}` : "");
      await this.read();
    };
    const words = [one.label, one.place].filter(Boolean).join(" · ");
    return h(
      "li",
      {},
      h("span", { class: "text" }, words, " ", h("span", { class: "quiet" }, `${one.phones}/${one.most_phones} · ${t("inviteLeft", span(one.expires_at - Date.now() / 1000))}`)),
      h("button", { type: "button", onclick: () => void revoke() }, t("inviteRevoke")),
    );
  }
}

/** An inline SVG as a file of its own. */
function standalone(svg: string): string {
  return svg.includes("xmlns=") ? svg : svg.replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"');
}
