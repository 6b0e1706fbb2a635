// What stands on a talk group, a member, the key and a call: words and tones, from what the gateway said.

import { counted, t, word } from "./i18n";
import type { PttState } from "./ptt";
import type { CallStatus, Floor, GroupStatus, Member } from "./types";
import type { Tone } from "./words";

/** `alert`: red, an emergency; `mine`: we speak. */
export type TalkTone = Tone | "alert" | "mine";

export interface FloorWords {
  tone: TalkTone;
  text: string;
  /** Counting: how long it has been so, and how long it may last. */
  clock: string;
  left: string;
}

/** `me`: our own member in the group, "" for none; `now`: unix seconds. */
export function floorWords(group: GroupStatus, me: string, now: number): FloorWords {
  const { floor } = group;
  const words: FloorWords = { tone: "idle", text: t("floorIdle"), clock: "", left: "" };
  if (floor.state === "taken") {
    const mine = floor.holder === me && me !== "";
    const who = mine ? t("floorYou") : t("floorTaken", floor.holder_name || floor.holder);
    words.text = floor.emergency ? t("floorEmergency", mine ? t("floorYou") : floor.holder_name || floor.holder) : who;
    words.tone = floor.emergency ? "alert" : mine ? "mine" : "live";
    words.clock = counted(now - floor.since);
    if (floor.until && floor.until - now < 30) words.left = t("until", counted(floor.until - now));
    return words;
  }
  if (group.emergency) return { ...words, tone: "alert", text: t("emergencyOn") };
  if (floor.state === "hang") return { ...words, tone: "wait", text: t("floorHang") };
  if (floor.state === "open") {
    const talking = group.members.filter((member) => member.talking).map((member) => member.name || member.id);
    return { ...words, tone: talking.length ? "live" : "idle", text: talking.length ? t("floorTaken", talking.join(", ")) : t("floorOpen") };
  }
  return words;
}

/** Names of the members that wait, the next one first. */
export function queueNames(group: GroupStatus): string[] {
  return group.floor.queue.map((id) => nameOf(group, id));
}

export function nameOf(group: GroupStatus, member: string): string {
  return group.members.find((one) => one.id === member)?.name || member;
}

export interface MemberWords {
  tone: TalkTone;
  text: string;
  /** Why it is not as it should be. */
  why: string;
}

/** How a member stands; `cause` gives a reason code's words. */
export function memberWords(member: Member, floor: Floor, cause: (code: string) => string): MemberWords {
  const why = member.code ? cause(member.code) : "";
  const words = (tone: TalkTone, text: string): MemberWords => ({ tone, text, why });
  if (member.talking || floor.barging.includes(member.id)) return words(floor.emergency && floor.holder === member.id ? "alert" : "live", t("speaks"));
  const place = floor.queue.indexOf(member.id);
  if (place >= 0) return words("wait", t("waitsAt", place + 1));
  if (member.muted) return words("wait", t("muted"));
  if (member.state === "up") return words(why ? "wait" : "idle", t(!member.may_talk ? "listenOnly" : !member.may_listen ? "talkOnly" : "member.up"));
  const tone = member.state === "offline" || member.state === "waiting" ? "bad" : member.state === "idle" ? "idle" : "wait";
  return words(tone, t(`member.${member.state}`));
}

export interface KeyWords {
  tone: TalkTone;
  title: string;
  hint: string;
}

/** What the key says while it is pressed or has just been. `cause` gives a reason code's words. */
export function pttWords(state: PttState, held: boolean, cause: (code: string) => string): KeyWords | null {
  const why = state.cause ? state.cause[document.documentElement.lang === "zh" ? "zh" : "en"] : cause(state.code);
  switch (state.phase) {
    case "asking":
      return { tone: "wait", title: t("pttAsking"), hint: "" };
    case "granted":
      return { tone: state.emergency ? "alert" : "mine", title: t("pttGranted"), hint: state.emergency ? t("emergencyOn") : "" };
    case "queued":
      return { tone: "wait", title: t("pttQueued", state.position), hint: why };
    case "denied":
    case "revoked":
      return { tone: "bad", title: t(state.phase === "denied" ? "pttDenied" : "pttRevoked"), hint: [why, held ? t("pttHeld") : ""].filter(Boolean).join(" · ") };
    case "idle":
      return null;
  }
}

/** −60 … 0 dBFS as 0 … 1 of a meter. */
export function meter(db: number | null | undefined): number {
  return db === null || db === undefined ? 0 : Math.min(1, Math.max(0, (db + 60) / 60));
}

const CALL_TONES: Record<CallStatus["state"], Tone> = {
  "ringing-in": "wait",
  calling: "wait",
  ringing: "wait",
  up: "live",
  held: "wait",
  "held-by-peer": "wait",
  moving: "wait",
  ended: "idle",
};

export function callWords(call: CallStatus, cause: (code: string) => string): { tone: Tone; text: string } {
  const why = call.code ? cause(call.code) : "";
  const tone = call.state === "ended" && why && !call.answered ? "bad" : CALL_TONES[call.state];
  return { tone, text: [word(`call.${call.state}`), why].filter(Boolean).join(" · ") };
}

/** Codec, picture, encryption: what a technician looks for. */
export function callFacts(call: CallStatus): string[] {
  const secure = call.secure ? `${t("encrypted")} (${call.secure.toUpperCase()})` : call.answered ? t("plain") : "";
  return [call.audio.toUpperCase(), call.video.toUpperCase(), secure, call.trunk].filter(Boolean);
}

/** How long a call has lasted, or lasted. */
export function callClock(call: CallStatus, now: number): string {
  if (!call.answered) return call.state === "ended" ? "" : counted(now - call.started);
  return counted((call.ended || now) - call.answered);
}
