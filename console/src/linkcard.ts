// The ways northward of this machine: each with its state in words, quality, cost and what takes it first.

import { h } from "./dom";
import { t, word } from "./i18n";
import { barFill, rateText } from "./kitwords";
import type { Reasons } from "./panels";
import type { OwnLink } from "./types";
import type { Tone } from "./words";

const TONES: Record<string, Tone> = { up: "live", degraded: "wait", recovering: "wait", connecting: "wait", searching: "wait", registered: "wait", down: "bad", locked: "bad" };

export interface OwnWords {
  name: string;
  tone: Tone;
  state: string;
  figures: string;
}

export function ownWords(link: OwnLink): OwnWords {
  const bearer = `bearer.${link.kind}`;
  const kind = link.kind ? word(bearer) : "";
  const signal = link.signal;
  const figures = [
    link.rtt_ms !== null ? `${Math.round(link.rtt_ms)} ms` : "",
    link.loss !== null && link.loss > 0 ? `${t("linkLoss")} ${(link.loss * 100).toFixed(link.loss < 0.1 ? 1 : 0)} %` : "",
    link.usable && link.out_bps + link.in_bps >= 1000 ? `↑ ${rateText(link.out_bps)} ↓ ${rateText(link.in_bps)}` : "",
    signal.rsrp_dbm !== null ? `${Math.round(signal.rsrp_dbm)} dBm` : signal.rssi_dbm !== null ? `${Math.round(signal.rssi_dbm)} dBm` : "",
    link.carries.length ? link.carries.map((one) => word(`class.${one}`)).join(", ") : "",
    link.cost ? t("linkCost", link.cost) : "",
    link.metered ? t("linkMetered") : "",
    link.quota_bytes ? `${(link.used_bytes / 1e9).toFixed(1)} / ${(link.quota_bytes / 1e9).toFixed(1)} GB` : "",
  ];
  return {
    name: [link.name, kind && kind !== bearer ? kind : link.kind, link.interface].filter((part, at, all) => part && all.indexOf(part) === at).join(" · "),
    tone: idleGood(link) ? "live" : (TONES[link.phase] ?? "idle"),
    state: `${word(`phase.${link.phase}`)}${link.step ? ` (${link.step})` : ""}`,
    figures: figures.filter(Boolean).join(" · "),
  };
}

/** It carries messages and calls, and no data: nothing is amiss. */
function idleGood(link: OwnLink): boolean {
  return link.code === "sat-messages-only";
}

export function ownLinks(links: Iterable<OwnLink>, reasons: Reasons): HTMLElement[] {
  return [...links]
    .sort((a, b) => a.name.localeCompare(b.name))
    .map((link) => {
      const said = ownWords(link);
      const good = link.usable || idleGood(link);
      // On glass there is no pointer that rests on a row: what to do stands in it.
      const why = link.code ? `${reasons.cause(link.code)} ${good ? "" : reasons.cure(link.code)}`.trim() : "";
      const filled = h("i");
      filled.style.width = `${(link.usable ? barFill(link.out_bps + link.in_bps || null) * 100 : 0).toFixed(0)}%`;
      return h(
        "span",
        { class: "link-row", "data-tone": said.tone, "data-own-link": link.name, title: link.code ? `${reasons.cause(link.code)} ${reasons.cure(link.code)}` : "" },
        h("span", { class: "dot" }),
        h("span", { class: "name" }, said.name),
        h("span", { class: "state" }, said.state),
        h("span", { class: "link-bar" }, filled),
        said.figures && h("span", { class: "facts quiet number" }, said.figures),
        why && h("span", { class: good ? "facts quiet" : "facts warn" }, why),
      );
    });
}
