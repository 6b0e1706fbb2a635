// A mesh as a drawing. Pure but for the last function: nodes and edges in, places and tones out.

import type { MeshEdge, MeshNode, MeshSnapshot } from "./types";

export type Tone = "live" | "wait" | "bad" | "idle";
export interface Place {
  x: number;
  y: number;
}
/** Both directions of a link as one line: it is as good as its worse end. */
export interface Line {
  a: string;
  b: string;
  quality: number | null;
  tone: Tone;
}

const SVG = "http://www.w3.org/2000/svg";
export const [WIDTH, HEIGHT] = [480, 360];
const [MARGIN, ROUNDS] = [30, 120];

export function toneOf(quality: number | null): Tone {
  if (quality === null) return "idle";
  return quality >= 0.6 ? "live" : quality >= 0.3 ? "wait" : "bad";
}

export function linesOf(edges: MeshEdge[]): Line[] {
  const found = new Map<string, Line>();
  for (const edge of edges) {
    const [a, b] = edge.a < edge.b ? [edge.a, edge.b] : [edge.b, edge.a];
    const known = found.get(`${a}\n${b}`);
    const worse = known === undefined || known.quality === null ? edge.quality : Math.min(known.quality, edge.quality ?? 1);
    found.set(`${a}\n${b}`, { a, b, quality: worse, tone: toneOf(worse) });
  }
  return [...found.values()];
}

/** Where each node is drawn: linked ones near each other, all of them apart; who was drawn before stays about there. */
export function layout(nodes: MeshNode[], lines: Line[], before: Map<string, Place> = new Map()): Map<string, Place> {
  const at = new Map<string, Place>();
  nodes.forEach((node, n) => {
    const turn = (2 * Math.PI * n) / nodes.length;
    const start = node.own ? { x: 0, y: 0 } : { x: Math.cos(turn), y: Math.sin(turn) };
    at.set(node.id, before.has(node.id) ? inUnit(before.get(node.id) as Place) : start);
  });
  const ends = lines.flatMap((line) => {
    const [a, b] = [at.get(line.a), at.get(line.b)];
    return a && b ? [[a, b] as const] : [];
  });
  const all = [...at.values()];
  const index = new Map(all.map((one, place) => [one, place]));
  const room = 1.2 / Math.sqrt(Math.max(1, all.length));
  const rounds = nodes.every((node) => before.has(node.id)) ? 0 : roundsFor(all.length);
  for (let round = 0; round < rounds; round += 1) {
    const step = 0.08 * (1 - round / rounds);
    const push = all.map(() => ({ x: 0, y: 0 }));
    all.forEach((one, i) => {
      for (let j = i + 1; j < all.length; j += 1) {
        const other = all[j] as Place;
        const [dx, dy] = [one.x - other.x || 0.001 * (i + 1), one.y - other.y || 0.001];
        const far = Math.max(0.01, dx * dx + dy * dy);
        const force = (room * room) / far;
        move(push[i] as Place, dx * force, dy * force);
        move(push[j] as Place, -dx * force, -dy * force);
      }
    });
    for (const [a, b] of ends) {
      const [i, j] = [index.get(a) ?? 0, index.get(b) ?? 0];
      const pull = Math.hypot(a.x - b.x, a.y - b.y) / room;
      move(push[i] as Place, (b.x - a.x) * pull, (b.y - a.y) * pull);
      move(push[j] as Place, (a.x - b.x) * pull, (a.y - b.y) * pull);
    }
    all.forEach((one, i) => {
      const wish = push[i] as Place;
      const long = Math.max(1, Math.hypot(wish.x, wish.y));
      one.x += (wish.x / long) * step;
      one.y += (wish.y / long) * step;
    });
  }
  return rounds === 0 ? new Map([...at].map(([id, place]) => [id, onPaper(place)])) : fitted(at);
}

/** Each round looks at each pair: hundreds of radios have fewer, so that the page stays quick. */
export function roundsFor(count: number): number {
  return Math.max(6, Math.min(ROUNDS, Math.round(ROUNDS * (100 / Math.max(1, count)) ** 2)));
}

function move(place: Place, x: number, y: number): void {
  place.x += x;
  place.y += y;
}

const onPaper = (place: Place): Place => ({ x: WIDTH / 2 + place.x * (WIDTH / 2 - MARGIN), y: HEIGHT / 2 + place.y * (HEIGHT / 2 - MARGIN) });
const inUnit = (place: Place): Place => ({ x: (place.x - WIDTH / 2) / (WIDTH / 2 - MARGIN), y: (place.y - HEIGHT / 2) / (HEIGHT / 2 - MARGIN) });

/** Spread over the whole drawing. */
function fitted(at: Map<string, Place>): Map<string, Place> {
  const [xs, ys] = [[...at.values()].map((one) => one.x), [...at.values()].map((one) => one.y)];
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const along = (value: number, low: number, high: number): number => (high - low < 1e-6 ? 0 : (2 * (value - low)) / (high - low) - 1);
  return apart(new Map([...at].map(([id, one]) => [id, onPaper({ x: along(one.x, left, right), y: along(one.y, top, bottom) })])));
}

/** No radio stands upon another one, as far as there is room for all. */
function apart(places: Map<string, Place>): Map<string, Place> {
  const all = [...places.values()];
  const least = Math.min(34, 0.75 * Math.sqrt((WIDTH * HEIGHT) / Math.max(1, all.length)));
  for (let round = 0; round < roundsFor(all.length); round += 1) {
    let moved = false;
    all.forEach((one, i) => {
      for (let j = i + 1; j < all.length; j += 1) {
        const other = all[j] as Place;
        const [dx, dy] = [one.x - other.x || 0.1, one.y - other.y || 0.1];
        const far = Math.hypot(dx, dy);
        if (far >= least - 0.5) continue;
        moved = true;
        const push = (least - far) / far / 2;
        move(one, dx * push, dy * push);
        move(other, -dx * push, -dy * push);
      }
      one.x = Math.min(WIDTH - MARGIN, Math.max(MARGIN, one.x));
      one.y = Math.min(HEIGHT - MARGIN, Math.max(MARGIN, one.y));
    });
    if (!moved) break;
  }
  return places;
}

/** How large it is drawn, in the screen's own pixels: words are as large as elsewhere on the page. */
export interface Size {
  wide: number;
  high: number;
}

const [LETTER, LINE, BELOW, RADIUS] = [7, 14, 22, 9];

/** Whose names are written: the chosen, our own, whoever hears or is heard by the chosen, then all for whom there is room. */
export function named(mesh: MeshSnapshot, at: Map<string, Place>, chosen: string): Set<string> {
  const near = new Set(mesh.edges.filter((edge) => edge.a === chosen || edge.b === chosen).flatMap((edge) => [edge.a, edge.b]));
  const rank = (node: MeshNode): number => (node.id === chosen ? 0 : node.own ? 1 : near.has(node.id) ? 2 : 3);
  const taken: [number, number, number, number][] = [...at.values()].map((one) => [one.x - RADIUS, one.y - RADIUS, one.x + RADIUS, one.y + RADIUS]);
  const found = new Set<string>();
  for (const node of [...mesh.nodes].sort((a, b) => rank(a) - rank(b))) {
    const place = at.get(node.id);
    if (!place) continue;
    const half = (widthOf(short(node.name || node.id)) * LETTER) / 2;
    const box: [number, number, number, number] = [place.x - half, place.y + BELOW - LINE + 3, place.x + half, place.y + BELOW + 3];
    const free = taken.every(([left, top, right, bottom]) => box[2] < left || box[0] > right || box[3] < top || box[1] > bottom);
    if (!free && node.id !== chosen) continue;
    taken.push(box);
    found.add(node.id);
  }
  return found;
}

/** The drawing. Whoever shows it hears of presses on `[data-node]`. */
export function drawn(mesh: MeshSnapshot, places: Map<string, Place>, chosen: string, label: string, size: Size = { wide: WIDTH, high: HEIGHT }): SVGElement {
  const svg = made("svg", { class: "graph", viewBox: `0 0 ${size.wide} ${size.high}`, width: size.wide, height: size.high, role: "group", "aria-label": label });
  const at = new Map([...places].map(([id, one]) => [id, { x: (one.x / WIDTH) * size.wide, y: Math.min((one.y / HEIGHT) * size.high, size.high - BELOW - 5) }]));
  for (const line of linesOf(mesh.edges)) {
    const [a, b] = [at.get(line.a), at.get(line.b)];
    const far = chosen !== "" && line.a !== chosen && line.b !== chosen;
    if (a && b) svg.append(made("line", { x1: a.x, y1: a.y, x2: b.x, y2: b.y, "data-tone": line.tone, "data-link": `${line.a} ${line.b}`, ...(far ? { "data-far": "" } : {}) }));
  }
  const names = named(mesh, at, chosen);
  for (const node of mesh.nodes) {
    const place = at.get(node.id);
    if (!place) continue;
    const group = made("g", { "data-node": node.id, tabindex: 0, role: "button", "aria-pressed": String(node.id === chosen), "aria-label": node.name || node.id });
    if (node.own) group.setAttribute("data-own", "");
    if (!node.read) group.setAttribute("data-unknown", "");
    if (node.id === chosen) group.setAttribute("data-chosen", "");
    const title = made("title", {});
    title.textContent = node.name || node.id;
    // A finger is wider than a radio is drawn.
    group.append(title, made("circle", { class: "touch", cx: place.x, cy: place.y, r: 2 * RADIUS }), made("circle", { class: "radio", cx: place.x, cy: place.y, r: RADIUS }));
    if (names.has(node.id)) {
      const words = short(node.name || node.id);
      const half = (widthOf(words) * LETTER) / 2;
      const name = made("text", { x: Math.min(Math.max(place.x, half + 2), Math.max(size.wide - half - 2, half + 2)), y: place.y + BELOW });
      name.textContent = words;
      group.append(name);
    }
    svg.append(group);
  }
  return svg;
}

/** In Latin letters: a Chinese sign is as wide as two. */
function widthOf(name: string): number {
  return [...name].reduce((sum, sign) => sum + (sign > "\u2e7f" ? 1.8 : 1), 0);
}

function short(name: string): string {
  return name.length > 14 ? `…${name.slice(-12)}` : name;
}

function made(tag: string, attributes: Record<string, string | number>): SVGElement {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, typeof value === "number" ? String(Math.round(value * 10) / 10) : value);
  return element;
}
