// Datums. Positions are WGS-84 (CGCS2000 is the same to a hand's breadth); GCJ-02 is left and entered here, at the
// edge of the map, and nowhere else. The formula is the one in public use; it holds to some metres.

const A = 6378245;
const EE = 0.00669342162296594323;

export type LonLat = [number, number];

function outside([lon, lat]: LonLat): boolean {
  return lon < 72.004 || lon > 137.8347 || lat < 0.8293 || lat > 55.8271;
}

export function toGcj([lon, lat]: LonLat): LonLat {
  if (outside([lon, lat])) return [lon, lat];
  const [x, y] = [lon - 105, lat - 35];
  const wave = (20 * Math.sin(6 * x * Math.PI) + 20 * Math.sin(2 * x * Math.PI)) * (2 / 3);
  let north = -100 + 2 * x + 3 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * Math.sqrt(Math.abs(x)) + wave;
  north += ((20 * Math.sin(y * Math.PI) + 40 * Math.sin((y / 3) * Math.PI)) * 2) / 3;
  north += ((160 * Math.sin((y / 12) * Math.PI) + 320 * Math.sin((y * Math.PI) / 30)) * 2) / 3;
  let east = 300 + x + 2 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * Math.sqrt(Math.abs(x)) + wave;
  east += ((20 * Math.sin(x * Math.PI) + 40 * Math.sin((x / 3) * Math.PI)) * 2) / 3;
  east += ((150 * Math.sin((x / 12) * Math.PI) + 300 * Math.sin((x / 30) * Math.PI)) * 2) / 3;
  const rad = (lat / 180) * Math.PI;
  const magic = 1 - EE * Math.sin(rad) ** 2;
  return [
    lon + (east * 180) / ((A / Math.sqrt(magic)) * Math.cos(rad) * Math.PI),
    lat + (north * 180) / (((A * (1 - EE)) / (magic * Math.sqrt(magic))) * Math.PI),
  ];
}

/** The other way round, by stepping towards it. */
export function fromGcj(point: LonLat): LonLat {
  let found: LonLat = [...point];
  for (let step = 0; step < 8; step++) {
    const [lon, lat] = toGcj(found);
    found = [found[0] + point[0] - lon, found[1] + point[1] - lat];
  }
  return found;
}

/** A position in the datum that the base map is drawn in. */
export function onMap(point: LonLat, datum: string, map: "wgs84" | "gcj02"): LonLat {
  const given = datum === "GCJ-02";
  if (given === (map === "gcj02")) return point;
  return given ? fromGcj(point) : toGcj(point);
}
