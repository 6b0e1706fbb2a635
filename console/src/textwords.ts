// What is said of a short message and of who carries it. Pure: data in, words out.

import { span, t, word } from "./i18n";
import { detail } from "./phrases";
import { MOST_CHARACTERS, MOST_PARTS, sizeOf, type TextKind } from "./textsize";
import { isFresh, type Line, MIXED } from "./texts";
import type { CarrierState, TextOut } from "./types";
import type { Tone } from "./words";

export interface LineWords {
  tone: Tone;
  state: string;
  body: string;
  /** Why it stands so, and what to do. */
  why: string;
  facts: string[];
  fresh: boolean;
}

/** The gateway's words for a code. */
export interface Say {
  cause(code: string): string;
  cure(code: string): string;
}

const TONES: Record<string, Tone> = { waiting: "wait", sending: "wait", sent: "live", delivered: "live", failed: "bad", expired: "bad", cancelled: "idle" };
const URGENT = 0;

export function lineWords(line: Line, reasons: Say, carriers: CarrierState[] = []): LineWords {
  return line.out ? outWords(line.out, reasons, carriers) : cameWords(line, reasons);
}

function outWords(one: TextOut, reasons: Say, carriers: CarrierState[]): LineWords {
  const over = one.state === "sent" || one.state === "delivered";
  const code = one.code || (one.state === "waiting" ? heldBy(one.kind, one.wanted, carriers) : "");
  const why = code && !over ? `${reasons.cause(code)} ${one.state === "cancelled" ? "" : reasons.cure(code)}`.trim() : "";
  const facts = [
    one.priority === URGENT ? t("textUrgentMark") : "",
    one.parts > 1 && !over && one.parts_done > 0 ? t("textPart", one.parts_done, one.parts) : one.parts > 1 ? t("textParts", one.parts) : "",
    one.carrier || one.wanted ? t("textBy", one.carrier || one.wanted) : "",
    one.attempts > 1 ? t("textTries", one.attempts) : "",
    one.unsure > 0 ? t("textUnsure") : "",
    one.by,
    why ? detail(one.detail) : "",
  ];
  return { tone: TONES[one.state] ?? "idle", state: word(`text.${one.state}`), body: one.body, why, facts: facts.filter(Boolean), fresh: false };
}

function cameWords(line: Line, reasons: Say): LineWords {
  const one = line.came;
  if (!one) return { tone: "idle", state: "", body: "", why: "", facts: [], fresh: false };
  const mixed = one.code === MIXED;
  const refused = one.code !== "" && !mixed;
  const facts = [
    one.missing > 0 ? t("textMissing", one.missing) : "",
    one.carrier ? t("textBy", one.carrier) : "",
    one.seen_by ? t("textSeenBy", one.seen_by) : "",
    refused ? detail(one.detail) : "",
  ];
  return {
    tone: refused ? "bad" : mixed || one.missing > 0 ? "wait" : "live",
    state: t(refused ? "text.refused" : "text.received"),
    body: refused ? t("textRefusedBody") : one.body,
    why: one.code ? `${reasons.cause(one.code)} ${reasons.cure(one.code)}`.trim() : "",
    facts: facts.filter(Boolean),
    fresh: isFresh(one),
  };
}

export function carrierWords(one: CarrierState, reasons: Say, now: number): { tone: Tone; name: string; state: string; cure: string } {
  const again = one.again_at !== null && one.again_at > now ? t("textAgainIn", span(one.again_at - now)) : "";
  const state = one.ready ? t("textCarrierReady") : reasons.cause(one.code) || t("offline");
  return {
    tone: one.ready ? "live" : again ? "wait" : "bad",
    name: `${one.name} · ${word(`carrier.${one.kind}`)}`,
    state: [state, again, one.waiting ? t("textWaiting", one.waiting) : ""].filter(Boolean).join(" · "),
    cure: one.ready ? "" : `${reasons.cure(one.code)} ${detail(one.detail)}`.trim(),
  };
}

/** How long a text is, in how many messages it goes, by whom and at what cost; `fits` is false where nobody would take it. */
export function sizeWords(body: string, kind: TextKind, carriers: Iterable<CarrierState>, wanted: string, reasons: Say): { text: string; fits: boolean } {
  const size = sizeOf(body, kind);
  const characters = [...body].length;
  if (characters > MOST_CHARACTERS || size.parts > MOST_PARTS[kind]) return { text: t("textTooLong", MOST_PARTS[kind], MOST_CHARACTERS), fits: false };
  const long =
    kind === "bd"
      ? t("textSizeCard", size.used)
      : kind === "sbd"
        ? t("textSizeBytes", size.used, size.parts)
        : t(size.parts > 1 ? "textSizeSms" : "textSizeOne", size.used, size.parts > 1 ? size.each * size.parts : size.each, size.parts);
  return { text: [long, goesBy(kind, size.parts || 1, carriers, wanted, reasons)].filter(Boolean).join(" · "), fits: true };
}

/** The cheapest that is ready, as the gateway chooses; else why it waits. */
function goesBy(kind: TextKind, parts: number, carriers: Iterable<CarrierState>, wanted: string, reasons: Say): string {
  const first = fitting(kind, wanted, carriers).find((one) => one.ready);
  if (first) return [t("textBy", first.name), first.cost ? t("textCost", first.cost * parts) : ""].filter(Boolean).join(" · ");
  return t("textWaits", reasons.cause(heldBy(kind, wanted, carriers)));
}

function fitting(kind: string, wanted: string, carriers: Iterable<CarrierState>): CarrierState[] {
  return [...carriers].filter((one) => one.kind === kind && (!wanted || one.name === wanted)).sort((a, b) => a.cost - b.cost);
}

/** Why nobody sends it now; "" where somebody could. */
function heldBy(kind: string, wanted: string, carriers: Iterable<CarrierState>): string {
  const fit = fitting(kind, wanted, carriers);
  return fit.some((one) => one.ready) ? "" : fit[0]?.code || "text-carrier-down";
}
