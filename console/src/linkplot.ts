// How the links of a kit were: one small drawing each of usable rate, round trip and loss, a day wide; less where there is
// less to show, so that the first minutes are seen.

import { h, setText } from "./dom";
import { type Key, span, t } from "./i18n";
import { rateText } from "./kitwords";
import type { Trail } from "./types";

const SVG = "http://www.w3.org/2000/svg";
const [WIDTH, HEIGHT] = [480, 56];
const DAY_S = 86400;
const WIDTHS_S = [600, 3600, 6 * 3600, DAY_S];
/** Nothing measured for so many steps is a gap in the line. */
const GAP_STEPS = 3;

interface Row {
  label: Key;
  values(trail: Trail): (number | null)[];
  text(value: number): string;
}

const ROWS: Row[] = [
  { label: "linkRate", values: (trail) => trail.usable_bps, text: rateText },
  { label: "linkRtt", values: (trail) => trail.rtt_ms, text: (ms) => `${Math.round(ms)} ms` },
  { label: "linkTraffic", values: (trail) => trail.in_bps.map((bps, at) => (trail.used[at] ? bps + (trail.out_bps[at] ?? 0) : null)), text: rateText },
  { label: "linkLoss", values: (trail) => trail.loss, text: (loss) => `${(loss * 100).toFixed(1)} %` },
];

/** Points of one line, broken where nothing was measured; and the highest value, which the drawing's top stands for. */
export function lines(at: number[], values: (number | null)[], everyS: number, now: number, wideS = DAY_S): { paths: string[]; most: number } {
  const most = values.reduce<number>((sum, value) => Math.max(sum, value ?? 0), 0);
  const paths: string[] = [];
  let path = "";
  let last = -Infinity;
  values.forEach((value, place) => {
    const when = at[place];
    if (value === null || when === undefined || when < now - wideS) return;
    const x = ((when - (now - wideS)) / wideS) * WIDTH;
    const y = HEIGHT - 2 - (most > 0 ? value / most : 0) * (HEIGHT - 6);
    const broken = when - last > GAP_STEPS * everyS;
    if (broken && path) {
      paths.push(path);
      path = "";
    }
    path += `${path ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`;
    last = when;
  });
  if (path) paths.push(path);
  return { paths, most };
}

export function linkPlots(trails: Trail[], now: number): HTMLElement {
  const measured = trails.filter((trail) => trail.at.length > 0);
  if (measured.length === 0) return h("p", { class: "empty" }, t("linkNothing"));
  const wide = widthFor(measured, now);
  return h("div", { class: "plots" }, ...measured.map((trail) => h("div", { class: "plot" }, h("strong", {}, trail.name), ...rowsOf(trail).map((row) => drawing(row, trail, now, wide)), axis(wide))));
}

/** What was measured; where nothing was, the first of them shows when it was not used. */
function rowsOf(trail: Trail): Row[] {
  const told = ROWS.filter((row) => row.values(trail).some((value) => value !== null));
  return told.length ? told : ROWS.slice(0, 1);
}

/** Seconds that the drawings show: the least that has everything measured, at most a day. */
export function widthFor(trails: Trail[], now: number): number {
  const first = Math.min(...trails.map((trail) => trail.at[0] ?? now));
  return WIDTHS_S.find((wide) => now - first <= wide) ?? DAY_S;
}

function axis(wideS: number): HTMLElement {
  const ago = [1, 0.75, 0.5, 0.25].map((part) => h("span", {}, `−${span(wideS * part)}`));
  return h("figcaption", {}, ...ago, h("span", {}, t("now")));
}

function drawing(row: Row, trail: Trail, now: number, wideS: number): HTMLElement {
  const values = row.values(trail);
  const { paths, most } = lines(trail.at, values, trail.every_s, now, wideS);
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  const latest = [...values].reverse().find((value) => value !== null) ?? null;
  const label = `${t(row.label)}: ${latest === null ? "–" : row.text(latest)} (${t("most", row.text(most))})`;
  svg.setAttribute("aria-label", `${trail.name}, ${label}`);
  for (const part of [0.25, 0.5, 0.75]) svg.append(path("grid", `M${part * WIDTH} 0V${HEIGHT}`));
  for (const gap of gaps(trail, now, wideS)) svg.append(path("gap", gap));
  for (const line of paths) svg.append(path("line", line));
  const caption = h("span", { class: "quiet" });
  setText(caption, label);
  return h("figure", {}, caption, svg as unknown as HTMLElement);
}

/** Where the link carried nothing. */
function gaps(trail: Trail, now: number, wideS: number): string[] {
  const found: string[] = [];
  trail.used.forEach((used, place) => {
    const when = trail.at[place];
    if (used || when === undefined || when < now - wideS) return;
    const x = ((when - (now - wideS)) / wideS) * WIDTH;
    const wide = Math.max(1, (trail.every_s / wideS) * WIDTH);
    found.push(`M${x.toFixed(1)} 0h${wide.toFixed(1)}V${HEIGHT}h-${wide.toFixed(1)}z`);
  });
  return found;
}

function path(kind: string, d: string): SVGElement {
  const made = document.createElementNS(SVG, "path");
  made.setAttribute("class", kind);
  made.setAttribute("d", d);
  return made;
}
