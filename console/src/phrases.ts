// Details and findings were written in English where they happened; what they are in Chinese is told by the gateway
// (`/api/v1/phrases`), by their words with `{}` for what varies. As gateway/model/phrase.py does it for the command line.

import { language } from "./i18n";

const DEEP = 5;
const LONG = 500;
const SIGNS: readonly [string, string][] = [
  [": ", "："],
  ["; ", "；"],
  [", ", "，"],
];

let exact = new Map<string, string>();
let varied: { pattern: RegExp; told: string }[] = [];
let reasonOf: (code: string) => string = () => "";

/** From now on these rows are known, and the codes of other reasons by `reason` ("" where it is none). */
export function learn(rows: readonly [string, string][], reason: (code: string) => string): void {
  exact = new Map(rows.filter(([en]) => !en.includes("{}")));
  const size = (en: string): number => en.replaceAll("{}", "").length;
  varied = rows
    .filter(([en]) => en.includes("{}"))
    .sort(([a], [b]) => size(b) - size(a))
    .map(([en, told]) => ({ pattern: new RegExp(`^${en.split("{}").map(literal).join("([^]*?)")}$`), told }));
  reasonOf = reason;
}

/** In the language in use; a text that is not known stays as it is. */
export function detail(text: string): string {
  if (!text || text.length > LONG) return text;
  const cause = /^[a-z0-9]+(-[a-z0-9]+)+$/.test(text) ? reasonOf(text) : "";
  if (cause) return cause;
  return language() === "zh" ? chinese(text, 0) : text;
}

function chinese(text: string, deep: number): string {
  const found = exact.get(text);
  if (found !== undefined) return found;
  if (deep >= DEEP || !text || /^\d+$/.test(text)) return text;
  for (const { pattern, told } of varied) {
    const match = pattern.exec(text);
    if (match) return put(told, match.slice(1).map((one) => chinese(one, deep + 1)));
  }
  for (const [sign, joined] of SIGNS) {
    const at = text.indexOf(sign);
    if (at <= 0 || at + sign.length === text.length) continue;
    const [head, tail] = [text.slice(0, at), text.slice(at + sign.length)];
    const both = [chinese(head, deep + 1), chinese(tail, deep + 1)];
    if (both[0] !== head || both[1] !== tail) return both.join(joined);
  }
  return text;
}

/** What varies in its places: by their order, or by number ("{1}"). */
function put(told: string, parts: readonly string[]): string {
  let next = 0;
  return told.replace(/\{(\d*)\}/g, (_, place: string) => parts[place ? Number(place) : next++] ?? "");
}

const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
