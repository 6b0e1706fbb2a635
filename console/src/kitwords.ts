// What is said of a kit, a center and their links. Pure: data in, words and widths out.

import { byName, kindWord, span, t, word } from "./i18n";
import type { Center, Condition, FieldWord, Kit, Link } from "./types";
import type { Tone } from "./words";

/** A bar is full at this rate: what a picture in full quality and a call need. */
const FULL_BPS = 8e6;

const STATE_WORDS = { in: "linkIn", out: "linkOut", off: "linkOff", trying: "linkTrying" } as const;

export interface LinkWords {
  name: string;
  tone: Tone;
  state: string;
  figures: string;
  code: string;
  /** How much of the bar is filled, 0 to 1: the logarithm of the usable rate. */
  fill: number;
}

export function kitTone(state: Kit["state"]): Tone {
  return state === "online" ? "live" : state === "degraded" ? "wait" : "bad";
}

export function kitState(state: Kit["state"]): string {
  return t(state === "online" ? "kitOnline" : state === "degraded" ? "kitDegraded" : "kitOffline");
}

export function rateText(bps: number): string {
  if (bps >= 1e6) return `${(bps / 1e6).toFixed(1)} Mb/s`;
  return `${Math.round(bps / 1e3)} kb/s`;
}

function wayWord(way: string): string {
  const key = `way.${way}`;
  return word(key) === key ? way : word(key);
}

/** `age`: words for how long ago something was. What is not good has the age of the last that is known to be. */
export function linkWords(link: Link, age: (unix: number) => string): LinkWords {
  const bearer = `bearer.${link.bearer}`;
  const kind = link.bearer ? word(bearer) : "";
  const figures = [
    link.usable_bps !== null ? rateText(link.usable_bps) : "",
    link.rtt_ms !== null ? `${Math.round(link.rtt_ms)} ms` : "",
    link.loss !== null && link.loss > 0 ? `${t("linkLoss")} ${(link.loss * 100).toFixed(link.loss < 0.1 ? 1 : 0)} %` : "",
  ];
  return {
    name: [link.name, kind && kind !== bearer ? kind : link.bearer, link.interface].filter((part, at, all) => part && all.indexOf(part) === at).join(" · "),
    tone: link.state === "in" ? "live" : link.state === "out" ? "bad" : "idle",
    state: [t(STATE_WORDS[link.state]), link.state !== "in" && link.heard_at ? t("linkHeard", age(link.heard_at)) : ""].filter(Boolean).join(" · "),
    figures: link.state === "in" ? figures.filter(Boolean).join(" · ") : "",
    code: link.state === "in" ? "" : link.code,
    fill: link.state === "in" ? barFill(link.usable_bps) : 0,
  };
}

/** 32 kb/s is a sliver, 8 Mb/s is full; what is not known yet is half. */
export function barFill(bps: number | null): number {
  if (bps === null) return 0.5;
  const [least, most] = [Math.log(16e3), Math.log(FULL_BPS)];
  return Math.min(1, Math.max(0.04, (Math.log(Math.max(bps, 1)) - least) / (most - least)));
}

/** Quiet facts of a kit, in the order they are read. */
export function kitFacts(kit: Kit): string[] {
  const facts = [kit.gateway];
  if (kit.devices) facts.push(t("kitDevices", kit.devices_online, kit.devices));
  if (kit.ways.length) facts.push(t("kitWays", kit.ways.map(wayWord).join(" + ")));
  if (kit.clock_off_s !== null && Math.abs(kit.clock_off_s) > 2) facts.push(t("kitClock", span(Math.abs(kit.clock_off_s))));
  if (kit.version) facts.push(kit.version);
  return facts;
}

/** What a kit told by short message, in words: the head with its age, then what it is about. */
export interface TextWords {
  head: string;
  facts: string[];
  place: string;
  links: { tone: Tone; text: string }[];
  alarms: { severity: string; text: string }[];
}

const PHASE_TONES: Record<string, Tone> = { up: "live", degraded: "wait", down: "bad", locked: "bad", absent: "idle", off: "idle" };
/** Minutes that a record has no room beyond. */
const [FIX_MOST, ALARM_MOST, DOWN_MOST] = [63, 31, 1023];

/** While that is the newest there is of it; else null. */
export function textWords(kit: Kit, age: (unix: number) => string): TextWords | null {
  const told = kit.by_text;
  if (!told || told.received_at <= (kit.last_seen ?? 0)) return null;
  const minutes = (count: number, most: number): string => `${count >= most ? "≥ " : ""}${span(count * 60)}`;
  const why = `record.${told.why}`;
  const team = `field.${told.word}`;
  const battery = told.battery_percent === null ? "" : `${told.battery_percent} %`;
  const power = told.power === "mains" ? t("kitMains") : told.power === "battery" || battery ? t("kitBattery") : "";
  const facts = [
    word(team) === team ? "" : word(team),
    power ? [power, battery, told.volts === null ? "" : `${told.volts.toFixed(1)} V`].filter(Boolean).join(" ") : "",
    told.temperature_c === null ? "" : `${told.temperature_c} °C`,
    told.disk_percent === null ? "" : t("kitDiskUsed", told.disk_percent),
    told.down_min ? t("kitDown", minutes(told.down_min, DOWN_MOST)) : "",
  ];
  const fix = told.fix;
  return {
    head: [t("kitByText"), age(told.received_at), told.carrier && t("textBy", told.carrier), word(why) === why ? "" : word(why)].filter(Boolean).join(" · "),
    facts: facts.filter(Boolean),
    place: fix ? `${fix.latitude.toFixed(5)}, ${fix.longitude.toFixed(5)} · ${t("kitFix", minutes(fix.age_min, FIX_MOST))}` : t("kitNoFix"),
    links: [
      ...told.links.map((link) => ({ tone: PHASE_TONES[link.phase] ?? ("wait" as Tone), text: `${named("bearer", link.kind)} · ${named("phase", link.phase)}${link.bars === null ? "" : ` · ${"▮".repeat(link.bars)}${"▯".repeat(Math.max(0, 5 - link.bars))}`}` })),
      ...(told.more_links ? [{ tone: "idle" as Tone, text: t("kitMoreLinks") }] : []),
    ],
    alarms: told.alarms.map((alarm) => ({ severity: alarm.severity, text: `${word(alarm.severity)} · ${kindWord(alarm.kind)} · ${t("ago", minutes(alarm.age_min, ALARM_MOST))}` })).concat(told.alarms_open > told.alarms.length ? [{ severity: "", text: t("kitAlarmsOpen", told.alarms_open) }] : []),
  };
}

function named(of: string, what: string): string {
  const key = `${of}.${what}`;
  return word(key) === key ? what || "–" : word(key);
}

/** The field team's word in colour. */
export function fieldTone(word: FieldWord["word"]): Tone {
  return word === "ready" ? "live" : word === "technician" ? "bad" : "wait";
}

/** How a kit itself stands, in the order it is read; empty where it has not told. */
export function conditionFacts(kit: { condition?: Condition | null }, now: number): string[] {
  const told = kit.condition;
  if (!told) return [];
  const { power, heat, space, clock, place } = told;
  const level = power.level === null ? "" : `${Math.round(power.level * 100)} %`;
  const left = power.minutes_left === null ? "" : t("kitLeft", span(power.minutes_left * 60));
  const facts = power.source === "unknown" ? [] : [[t(power.source === "mains" ? "kitMains" : "kitBattery"), level, power.charging ? t("kitCharging") : "", left].filter(Boolean).join(" ")];
  const hottest = heat[0];
  if (hottest) facts.push(`${Math.round(hottest.celsius)} °C`);
  if (space.total_bytes) facts.push(t("kitSpace", (space.free_bytes / 1e9).toFixed(1)));
  facts.push(`${t("kitTime")}: ${word(`time.${clock.quality}`)}`);
  if (place) facts.push(t("kitPlace", place.by, span(Math.max(0, now - place.taken_at))));
  return facts;
}

export function centerFacts(center: Center): string[] {
  return [center.gateway, center.address, t("kitMay", word(center.role)), center.scope ? t("kitSees", center.scope) : ""].filter(Boolean);
}

/** Kits in trouble first, then by name; the kit itself before all. */
export function inOrder(kits: Iterable<Kit>): Kit[] {
  const rank = { offline: 0, degraded: 1, online: 2 };
  return [...kits].sort(
    (a, b) => Number(b.centers.length > 0) - Number(a.centers.length > 0) || rank[a.state] - rank[b.state] || byName(a.name || a.gateway, b.name || b.gateway),
  );
}
