// The lists beside the pictures: devices that knock, alarms, positions, notices.

import { fill, h, setText } from "./dom";
import { kindWord, say, span, t, word } from "./i18n";
import { detail, learn } from "./phrases";
import type { Store } from "./store";
import type { Alarm, PendingDevice, Position, Words } from "./types";

const ago = (at: number): string => t("ago", span(Date.now() / 1000 - at));
const clock = (at: number): string => new Date(at * 1000).toLocaleString(document.documentElement.lang);

/** The words of every reason code, asked once. */
export class Reasons {
  private table: Record<string, { cause: Words; cure: Words }> = {};

  constructor(private readonly store: Store) {}

  async read(): Promise<void> {
    try {
      this.table = await this.store.api.get("/api/v1/reasons", { background: true });
    } catch {
      return; // codes are shown as they are
    }
    try {
      learn(await this.store.api.get("/api/v1/phrases", { background: true }), (code) => (this.table[code] ? this.cause(code) : ""));
    } catch {
      // details stay as they were written
    }
  }

  cause(code: string): string {
    return code ? say(this.table[code]?.cause ?? null) || code : "";
  }

  cure(code: string): string {
    return code ? say(this.table[code]?.cure ?? null) : "";
  }
}

export class PendingPanel {
  readonly element = h("section", { class: "pending", hidden: true });

  constructor(
    private readonly store: Store,
    private readonly reasons: Reasons,
  ) {
    store.on("pending", () => this.render());
  }

  render(): void {
    const knocks = this.store.pending;
    this.element.hidden = knocks.length === 0 || !this.store.technician();
    // Whoever types a name just now is not interrupted; the list is drawn after.
    if (this.element.contains(document.activeElement) && document.activeElement?.tagName === "INPUT") return;
    fill(this.element, h("h2", {}, t("pending")), h("ul", {}, ...knocks.map((knock) => this.knock(knock))));
  }

  private knock(knock: PendingDevice): HTMLElement {
    const name = h("input", { type: "text", maxlength: "64", placeholder: t("admitName"), "aria-label": t("admitName") });
    const message = h("p", { class: "message", role: "status" });
    const form = h(
      "form",
      {},
      h("strong", { class: "number" }, knock.external_id),
      h("span", { class: "quiet" }, `${knock.scheme} · ${knock.address} · ${t("times", knock.attempts)} · ${ago(knock.last_seen)}`),
      knock.code !== "unknown-device" && h("span", { class: "warn" }, `${this.reasons.cause(knock.code)} ${this.reasons.cure(knock.code)}`),
      h("span", { class: "admit" }, name, h("button", { type: "submit", class: "primary" }, t("admit"))),
      message,
    );
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const body = { scheme: knock.scheme, external_id: knock.external_id, name: name.value };
      const problem = await this.store.attempt(this.store.api.post("/api/v1/devices", body));
      if (problem) {
        setText(message, `${say(problem.cause)} ${detail(problem.detail)}`);
        return;
      }
      name.blur();
      this.store.pending = this.store.pending.filter((one) => one !== knock);
      this.store.changed("pending");
    });
    return h("li", {}, form);
  }
}

export class AlarmsPanel {
  readonly element = h("section", { class: "alarms" });

  constructor(private readonly store: Store) {
    store.on("alarms", () => this.render());
  }

  /** Those that nobody has acknowledged. */
  open(): number {
    return this.store.alarms.filter((alarm) => !alarm.cleared && !acknowledged(alarm)).length;
  }

  render(): void {
    const alarms = this.store.alarms;
    fill(
      this.element,
      alarms.length === 0 ? h("p", { class: "empty" }, t("noAlarms")) : h("ul", {}, ...alarms.map((alarm) => this.alarm(alarm))),
    );
  }

  private alarm(alarm: Alarm): HTMLElement {
    const message = h("p", { class: "message", role: "status" });
    const device = this.store.devices.get(alarm.device);
    const acknowledge = async (): Promise<void> => {
      const problem = await this.store.attempt(this.store.api.post(`/api/v1/alarms/${encodeURIComponent(alarm.id)}/acknowledge`, {}));
      if (problem) setText(message, `${say(problem.cause)} ${detail(problem.detail)}`);
      else {
        alarm.acknowledged_by = this.store.api.who?.name ?? "";
        this.store.changed("alarms");
      }
    };
    return h(
      "li",
      { "data-severity": alarm.severity, class: acknowledged(alarm) || alarm.cleared ? "past" : "" },
      h("span", { class: "dot" }),
      h(
        "div",
        { class: "text" },
        h("strong", {}, `${word(alarm.severity)} · ${kindWord(alarm.kind)}${alarm.repeats ? ` ${t("repeats", alarm.repeats + 1)}` : ""}`),
        h("span", {}, [this.store.whose(alarm.device), device?.name ?? alarm.device, alarm.channel].filter(Boolean).join(" / ")),
        alarm.description && h("span", {}, alarm.description),
        h("time", { class: "quiet", title: clock(alarm.raised_at) }, ago(alarm.raised_at), alarm.cleared ? ` · ${t("cleared")}` : ""),
        message,
      ),
      acknowledged(alarm)
        ? h("span", { class: "quiet" }, t("acknowledged"))
        : this.store.mayMove() && h("button", { type: "button", onclick: () => void acknowledge() }, t("acknowledge")),
    );
  }
}

function acknowledged(alarm: Alarm): boolean {
  return Boolean(alarm.acknowledged_by);
}

export class PositionsPanel {
  readonly element = h("section", { class: "positions" });

  constructor(private readonly store: Store) {
    store.on("positions", () => this.render());
  }

  render(): void {
    const positions = [...this.store.positions.values()].sort((a, b) => b.taken_at - a.taken_at);
    fill(
      this.element,
      positions.length === 0 ? h("p", { class: "empty" }, t("noPositions")) : h("ul", {}, ...positions.map((one) => this.position(one))),
    );
  }

  private position(position: Position): HTMLElement {
    const device = this.store.devices.get(position.device);
    const accuracy = position.accuracy_m === null ? t("accuracyUnknown") : t("accuracy", Math.round(position.accuracy_m));
    const speed = position.speed_kmh === null ? "" : ` · ${Math.round(position.speed_kmh)} km/h`;
    return h(
      "li",
      {},
      h(
        "div",
        { class: "text" },
        h("strong", {}, [this.store.whose(position.device), device?.name ?? position.device, position.channel].filter(Boolean).join(" / ")),
        h("span", { class: "number" }, `${coordinate(position.latitude, "N", "S")}  ${coordinate(position.longitude, "E", "W")}`),
        h("span", {}, `${position.datum} · ${word(position.source)} · ${accuracy}${speed}`),
        h("time", { class: "quiet", title: clock(position.taken_at) }, ago(position.taken_at)),
      ),
    );
  }
}

export function coordinate(degrees: number, positive: string, negative: string): string {
  return `${Math.abs(degrees).toFixed(6)}° ${degrees < 0 ? negative : positive}`;
}

export class NoticesPanel {
  readonly element = h("section", { class: "notices" });

  constructor(
    private readonly store: Store,
    private readonly reasons: Reasons,
  ) {
    store.on("notices", () => this.render());
  }

  render(): void {
    const notices = this.store.notices;
    fill(
      this.element,
      notices.length === 0
        ? h("p", { class: "empty" }, t("noNotices"))
        : h(
            "ul",
            {},
            ...notices.map((notice) =>
              h(
                "li",
                { class: notice.cleared ? "past" : "" },
                h("span", { class: "dot" }),
                h(
                  "div",
                  { class: "text" },
                  h("strong", {}, this.reasons.cause(notice.code)),
                  notice.detail && h("span", {}, detail(notice.detail)),
                  !notice.cleared && h("span", {}, this.reasons.cure(notice.code)),
                  h("time", { class: "quiet", title: clock(notice.at) }, ago(notice.at), notice.cleared ? ` · ${t("cleared")}` : ""),
                ),
              ),
            ),
          ),
    );
  }
}
