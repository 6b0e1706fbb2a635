// How many short messages a text is, as the gateway cuts it (gateway/wire/sms/body.py, adapters/satphone). Pure.

export type TextKind = "sms" | "bd" | "sbd";
export interface TextSize {
  /** Characters of the alphabet ("latin", "unicode") or bytes that it takes, and how many one message has. */
  unit: "latin" | "unicode" | "bytes";
  used: number;
  each: number;
  /** 0: not known here, a BeiDou card's level says it. */
  parts: number;
}

export const MOST_CHARACTERS = 1600;
/** More are not sent: by SMS (20), by SBD (9). */
export const MOST_PARTS: Record<TextKind, number> = { sms: 20, bd: 20, sbd: 9 };

// 3GPP TS 23.038 §6.2.1: characters of one septet, and those of two.
const BASIC = new Set("@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà");
const MORE = new Set("\f^{}\\[~]|€");
const SBD_BYTES = 332;

export function kindOf(to: string): TextKind {
  const told = to.trim().toLowerCase();
  return told.startsWith("bd:") ? "bd" : told.startsWith("sbd:") ? "sbd" : "sms";
}

export function sizeOf(body: string, kind: TextKind): TextSize {
  const signs = [...body];
  if (kind === "bd") {
    // GBK: one byte for ASCII, two for nearly all else.
    return { unit: "bytes", used: signs.reduce((sum, one) => sum + (one < "\u0080" ? 1 : 2), 0), each: 0, parts: 0 };
  }
  if (kind === "sbd") {
    const sizes = signs.map((one) => new TextEncoder().encode(one).length);
    return { unit: "bytes", used: total(sizes), each: SBD_BYTES, parts: cut(sizes, SBD_BYTES) };
  }
  const latin = signs.every((one) => BASIC.has(one) || MORE.has(one));
  const sizes = signs.map((one) => (latin ? (MORE.has(one) ? 2 : 1) : one.length));
  const [one, each] = latin ? [160, 152] : [70, 66];
  const used = total(sizes);
  return { unit: latin ? "latin" : "unicode", used, each: used <= one ? one : each, parts: used <= one ? 1 : cut(sizes, each) };
}

const total = (sizes: number[]): number => sizes.reduce((sum, size) => sum + size, 0);

/** Nothing of two units is cut in two. */
function cut(sizes: number[], each: number): number {
  let [parts, used] = [1, 0];
  for (const size of sizes) {
    if (used + size > each) [parts, used] = [parts + 1, 0];
    used += size;
  }
  return parts;
}
