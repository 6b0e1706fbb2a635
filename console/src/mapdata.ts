// What stands on the map: one mark for each position, trails as lines. Pure: lists in, marks out.

import { type LonLat, onMap } from "./geo";
import { span, t } from "./i18n";
import type { Device, MapInfo, Position } from "./types";

/** Older than this a position is history, and drawn faintly. */
const STALE_S = 300;

export interface Mark {
  id: string;
  at: LonLat;
  title: string;
  /** "live", "bad" (its device is offline), "old". */
  tone: "live" | "bad" | "old";
  words: string;
  stream: string;
}

export function marks(positions: Iterable<Position>, devices: Map<string, Device>, datum: MapInfo["datum"], now: number, whose: (id: string) => string = () => ""): Mark[] {
  const found: Mark[] = [];
  for (const position of positions) {
    if (!Number.isFinite(position.longitude) || !Number.isFinite(position.latitude)) continue;
    const device = devices.get(position.device);
    const channel = device?.channels.find((one) => one.key === position.channel);
    const stream = channel?.stream ?? device?.channels.find((one) => one.stream)?.stream ?? "";
    const age = now - position.taken_at;
    found.push({
      id: `${position.device}/${position.channel}`,
      at: onMap([position.longitude, position.latitude], position.datum, datum),
      title: [whose(position.device), device?.name ?? position.device, channel?.name].filter((part, at, all) => part && all.indexOf(part) === at).join(" / "),
      tone: device?.state === "offline" ? "bad" : age > STALE_S ? "old" : "live",
      words: [t("ago", span(age)), position.accuracy_m === null ? t("accuracyUnknown") : t("accuracy", Math.round(position.accuracy_m))].join(" · "),
      stream,
    });
  }
  return found;
}

/** The rectangle that holds all of them: west, south, east, north. */
export function around(points: LonLat[]): [number, number, number, number] | null {
  if (points.length === 0) return null;
  const lons = points.map(([lon]) => lon);
  const lats = points.map(([, lat]) => lat);
  return [Math.min(...lons), Math.min(...lats), Math.max(...lons), Math.max(...lats)];
}

export function trailLine(trail: Position[], datum: MapInfo["datum"]): LonLat[] {
  return [...trail].sort((a, b) => a.taken_at - b.taken_at).map((one) => onMap([one.longitude, one.latitude], one.datum, datum));
}
