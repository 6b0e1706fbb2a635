// Meshes: a graph each, as it is now or at a moment of the last day; what a radio hears, its figures, messages.

import { fill, h } from "./dom";
import { language, span, t, word } from "./i18n";
import { rateText } from "./kitwords";
import { drawn, HEIGHT, layout, linesOf, type Place, type Size, WIDTH } from "./meshgraph";
import type { Reasons } from "./panels";
import { Redraw } from "./redraw";
import type { Store } from "./store";
import type { MeshEdge, MeshMark, MeshNode, MeshSnapshot } from "./types";

const SHOWN_TEXTS = 20;
const DRAW_MS = 300;
/** Times of the same moment that were asked for twice differ by less. */
const SAME_S = 0.5;
const clock = (at: number): string => new Date(at * 1000).toLocaleTimeString(document.documentElement.lang);

interface View {
  places: Map<string, Place>;
  chosen: string;
  marks: MeshMark[];
  then: MeshSnapshot | null;
}

export class MeshPanel {
  readonly element = h("section", { class: "mesh" });
  private readonly views = new Map<string, View>();
  private readonly painter = new Redraw(this.element, () => this.draw());
  private wanted = 0;
  private due: ReturnType<typeof setTimeout> | undefined;
  private drawnAt = 0;
  /** The radio that a finger went down on. */
  private pressed = "";

  constructor(
    private readonly store: Store,
    private readonly reasons: Reasons,
  ) {
    store.on("meshes", () => this.soon());
    // The drawing is made anew each second: what is pressed is heard here, where it stays.
    this.element.addEventListener("pointerdown", (event) => (this.pressed = radioOf(event)));
    this.element.addEventListener("pointerup", (event) => this.pressed !== "" && radioOf(event) === this.pressed && this.pick(this.pressed));
    this.element.addEventListener("click", (event) => !(event as MouseEvent).detail && this.pick(radioOf(event))); // without a pointer
    this.element.addEventListener("keydown", (event) => event.key === "Enter" && this.pick(radioOf(event)));
  }

  /** However often the mesh changes, it is drawn a few times a second. */
  private soon(): void {
    if (this.due !== undefined) return;
    const left = this.drawnAt + DRAW_MS - Date.now();
    const draw = (): void => {
      this.due = undefined;
      if (!this.element.isConnected || document.hidden || this.scrubbing()) return;
      this.render();
      this.drawnAt = Date.now();
    };
    if (left <= 0) draw();
    else this.due = setTimeout(draw, left);
  }

  /** Sources that can not be read. */
  troubled(): number {
    return [...this.store.meshes.values()].flatMap((mesh) => mesh.sources).filter((source) => source.code && source.code !== "mesh-waiting").length;
  }

  render(): void {
    this.painter.now();
  }

  private draw(): void {
    this.element.lang = language();
    const meshes = [...this.store.meshes.values()];
    fill(this.element, ...(meshes.length ? meshes.map((mesh) => this.article(mesh)) : [h("p", { class: "empty" }, t("noMesh"))]));
  }

  /** `mesh id` of a radio: the same again lets it go. */
  private pick(radio: string): void {
    const [mesh, id] = [radio.slice(0, radio.indexOf(" ")), radio.slice(radio.indexOf(" ") + 1)];
    const view = this.views.get(mesh);
    if (!radio || !view) return;
    view.chosen = view.chosen === id ? "" : id;
    this.render();
  }

  /** As wide as there is room; not higher than most screens show at once. */
  private size(): Size {
    const wide = Math.round(Math.max(240, (this.element.clientWidth || WIDTH) - 26));
    return { wide, high: Math.round(Math.min(wide * (HEIGHT / WIDTH), Math.max(260, window.innerHeight * 0.62))) };
  }

  /** A slider that is made anew under a finger would let go of it. */
  private scrubbing(): boolean {
    return document.activeElement instanceof HTMLInputElement && this.element.contains(document.activeElement);
  }

  private view(mesh: string): View {
    let view = this.views.get(mesh);
    if (!view) {
      this.views.set(mesh, (view = { places: new Map(), chosen: "", marks: [], then: null }));
      void this.readMarks(mesh);
    }
    return view;
  }

  private article(now: MeshSnapshot): HTMLElement {
    const view = this.view(now.mesh);
    const shown = view.then ?? now;
    const unknown = shown.nodes.filter((node) => !node.read).length;
    const label = t("meshCount", shown.nodes.length, unknown, linesOf(shown.edges).length);
    view.places = layout(shown.nodes, linesOf(shown.edges), view.places);
    return h(
      "article",
      { "data-mesh": now.mesh },
      h("h3", {}, now.title),
      h("p", { class: "quiet" }, view.then ? `${t("meshThen", clock(shown.at))} · ${label}` : label),
      ...shown.sources.filter((source) => source.code).map((source) => h("p", { class: "warn" }, `${source.name}: ${this.reasons.cause(source.code)} ${this.reasons.cure(source.code)}`)),
      shown.nodes.length > 0 && (drawn(shown, view.places, view.chosen, label, this.size()) as unknown as HTMLElement),
      this.scrub(now.mesh, view),
      this.about(shown, view.chosen),
      now.texts.length > 0 && this.texts(now),
    );
  }

  private scrub(mesh: string, view: View): HTMLElement | false {
    const last = view.marks.length;
    if (last === 0) return false;
    const then = view.then;
    const at = then ? view.marks.filter((mark) => mark.at <= then.at + SAME_S).length - 1 : last;
    const slider = h("input", { type: "range", min: 0, max: last, value: Math.max(0, at), "aria-label": t("meshScrub"), oninput: () => void this.go(mesh, Number(slider.value)) });
    const back = h("button", { type: "button", disabled: view.then === null, onclick: () => void this.go(mesh, last) }, t("meshBack"));
    slider.addEventListener("focus", () => void this.readMarks(mesh));
    return h("div", { class: "scrub" }, slider, back);
  }

  /** To one of the marks; behind the last one is now. */
  private async go(mesh: string, place: number): Promise<void> {
    const view = this.view(mesh);
    const mark = view.marks[place];
    const asked = (this.wanted += 1);
    let then: MeshSnapshot | null = null;
    if (mark) {
      try {
        then = await this.store.api.get<MeshSnapshot>(`/api/v1/meshes/${encodeURIComponent(mesh)}/at/${mark.at}`, { background: true });
      } catch {
        return; // what is drawn stays; the header says what is wrong with the link
      }
    }
    if (asked !== this.wanted) return; // the finger is elsewhere by now
    view.then = then;
    this.redraw(mesh);
  }

  /** All but the slider, which a finger may hold. */
  private redraw(mesh: string): void {
    const now = this.store.meshes.get(mesh);
    const old = [...this.element.children].find((one) => one.getAttribute("data-mesh") === mesh);
    if (!now || !old) return;
    const made = this.article(now);
    const [held, fresh] = [old.querySelector(".scrub"), made.querySelector(".scrub")];
    if (held && fresh && this.scrubbing()) {
      const back = held.querySelector("button");
      if (back) back.disabled = this.view(mesh).then === null;
      for (const one of [...old.children]) if (one !== held) one.remove();
      let behind = false;
      for (const one of [...made.children]) {
        if (one === fresh) behind = true;
        else if (behind) old.append(one);
        else held.before(one);
      }
    } else old.replaceWith(made);
  }

  private async readMarks(mesh: string): Promise<void> {
    try {
      const marks = await this.store.api.get<MeshMark[]>(`/api/v1/meshes/${encodeURIComponent(mesh)}/marks?hours=24&most=480`, { background: true });
      const view = this.view(mesh);
      const had = view.marks.length > 0;
      if (this.scrubbing() && had) return; // places under a finger do not move
      view.marks = marks;
      if (this.element.isConnected && !had) this.render();
    } catch {
      return; // asked for again with the next touch
    }
  }

  private about(mesh: MeshSnapshot, chosen: string): HTMLElement | false {
    const node = mesh.nodes.find((one) => one.id === chosen);
    if (!node) return mesh.nodes.length > 0 && h("p", { class: "quiet" }, t("meshChoose"));
    const heard = mesh.edges.filter((edge) => edge.a === node.id);
    const name = (id: string): string => mesh.nodes.find((one) => one.id === id)?.name || id;
    return h(
      "div",
      { class: "about" },
      h("strong", {}, node.name || node.id, node.own && h("span", { class: "quiet" }, ` ${t("meshOwn")}`)),
      h("p", { class: "quiet" }, factsOf(node).join(" · ")),
      node.read && heard.length === 0 && h("p", { class: "quiet" }, t("meshAlone")),
      heard.length > 0 &&
        h(
          "table",
          {},
          h("tr", {}, ...[t("meshHears"), t("meshQuality"), t("meshSignal"), t("meshRate"), t("meshAge")].map((text) => h("th", {}, text))),
          ...heard.map((edge) => h("tr", {}, ...[name(edge.b), ...figuresOf(edge)].map((text) => h("td", {}, text)))),
        ),
    );
  }

  private texts(mesh: MeshSnapshot): HTMLElement {
    const name = (id: string): string => mesh.nodes.find((node) => node.id === id)?.name || id;
    const rows = mesh.texts.slice(-SHOWN_TEXTS).reverse();
    return h(
      "div",
      { class: "texts" },
      h("h3", {}, t("meshTexts")),
      h("ul", {}, ...rows.map((text) => h("li", {}, h("span", { class: "quiet" }, `${clock(text.at)} ${name(text.sender)} → ${text.to ? name(text.to) : text.channel || t("meshAll")}: `), text.text))),
    );
  }
}

/** Which radio of which mesh an event is about; "" for none. */
function radioOf(event: Event): string {
  const target = event.target instanceof Element ? event.target : null;
  const radio = target?.closest("[data-node]")?.getAttribute("data-node");
  const mesh = target?.closest("[data-mesh]")?.getAttribute("data-mesh");
  return radio && mesh ? `${mesh} ${radio}` : "";
}

/** What a radio says of itself, in words. */
export function factsOf(node: MeshNode): string[] {
  const facts = node.read ? [] : [t("meshUnknown")];
  if (node.battery_percent !== null) facts.push(`${t("reading.battery")} ${Math.round(node.battery_percent)} %`);
  for (const reading of node.readings) {
    const value = reading.key === "uptime" ? span(reading.value) : `${Math.round(reading.value * 100) / 100} ${reading.unit}`.trim();
    facts.push(`${reading_(reading.key)} ${value}`);
  }
  if (node.age_s !== null && node.age_s >= 1) facts.push(t("ago", span(node.age_s)));
  return facts;
}

function reading_(key: string): string {
  const said = word(`reading.${key}`);
  return said === `reading.${key}` ? key : said;
}

export function figuresOf(edge: MeshEdge): string[] {
  const signal = [edge.snr_db !== null && `${Math.round(edge.snr_db * 10) / 10} dB`, edge.rssi_dbm !== null && `${Math.round(edge.rssi_dbm)} dBm`].filter(Boolean).join(", ");
  return [
    edge.quality === null ? "–" : `${Math.round(edge.quality * 100)} %`,
    signal || (edge.rtt_ms !== null ? `${Math.round(edge.rtt_ms * 10) / 10} ms` : "–"),
    edge.rate_bps === null ? "–" : rateText(edge.rate_bps),
    edge.age_s === null ? "–" : t("ago", span(edge.age_s)),
  ];
}
