// Lines of latitude and longitude where there is no base map: bare ground tells nobody how far things are apart.

import type { LonLat } from "./geo";

/** Degrees between lines: so that some six of them are seen. */
const STEPS = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001];
const WANTED = 6;
const POLE = 85;

export interface Box {
  west: number;
  south: number;
  east: number;
  north: number;
}

export function graticule({ west, south, east, north }: Box): LonLat[][] {
  const wide = Math.max(east - west, north - south);
  const step = STEPS.find((one) => wide / one >= WANTED) ?? STEPS[STEPS.length - 1] ?? 1;
  const [low, high] = [Math.max(-POLE, south), Math.min(POLE, north)];
  const lines: LonLat[][] = [];
  for (let place = Math.ceil(west / step); place * step <= east; place++) lines.push([[place * step, low], [place * step, high]]);
  for (let place = Math.ceil(low / step); place * step <= high; place++) lines.push([[west, place * step], [east, place * step]]);
  return lines;
}
