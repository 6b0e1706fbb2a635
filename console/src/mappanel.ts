// The map: where devices and kits are, where they have been, and their pictures a click away.

import { fill, h, setText } from "./dom";
import { language, t } from "./i18n";
import { around, type Mark, marks, trailLine } from "./mapdata";
import type { MapView } from "./mapview";
import type { Store } from "./store";
import type { MapInfo, Position } from "./types";

const NO_MAP: MapInfo = { tiles: false, datum: "wgs84", attribution: "" };

export class MapPanel {
  private readonly place = h("div", { class: "map-place" });
  private readonly all = h("button", { type: "button", onclick: () => this.fit() });
  private readonly note = h("p", { class: "quiet" });
  readonly element = h("section", { class: "map" }, h("div", { class: "map-tools" }, this.all, this.note), this.place);
  private view: MapView | null = null;
  private info: MapInfo = NO_MAP;
  private asked = false;
  private fitted = false;

  constructor(
    private readonly store: Store,
    private readonly open: (stream: string) => void,
    private readonly load: () => Promise<typeof import("./mapview")> = () => import("./mapview"),
  ) {
    store.on("positions", () => this.element.isConnected && this.render());
    store.on("directory", () => this.element.isConnected && this.render());
  }

  stop(): void {
    this.view?.remove();
    this.view = null;
  }

  render(): void {
    setText(this.all, t("mapAll"));
    this.element.lang = language();
    if (!this.element.isConnected) return; // nobody looks: the library is a large one
    if (!this.asked) {
      this.asked = true;
      fill(this.place, h("p", { class: "empty" }, t("mapLoading")));
      void this.begin();
      return;
    }
    setText(this.note, this.view && !this.info.tiles ? t("mapNoBase") : "");
    if (!this.view) return;
    this.view.resize();
    this.view.show(this.marks());
    if (!this.fitted) this.fit();
  }

  private marks(): Mark[] {
    return marks(this.store.positions.values(), this.store.devices, this.info.datum, Date.now() / 1000, (id) => this.store.whose(id));
  }

  private async begin(): Promise<void> {
    let library: typeof import("./mapview") | null = null;
    try {
      library = await this.load();
      this.info = await this.store.api.get<MapInfo>("/api/v1/map", { background: true }).catch(() => NO_MAP);
      fill(this.place);
      this.view = await library.MapView.made(this.place, this.info, (mark) => this.picked(mark));
    } catch {
      fill(this.place, h("p", { class: "empty" }, t("mapFailed")));
      return;
    }
    this.render();
  }

  private fit(): void {
    const box = around(this.marks().map((mark) => mark.at));
    if (!box || !this.view) return;
    this.view.fit(box);
    this.fitted = true;
  }

  private picked(mark: Mark): HTMLElement {
    return h(
      "div",
      { class: "picked" },
      h("strong", {}, mark.title),
      h("span", { class: "quiet" }, mark.words),
      h(
        "span",
        { class: "acts" },
        h("button", { type: "button", onclick: () => void this.trail(mark) }, t("mapTrail")),
        mark.stream && h("button", { type: "button", class: "primary", onclick: () => this.open(mark.stream) }, t("mapOpen")),
      ),
    );
  }

  private async trail(mark: Mark): Promise<void> {
    const device = mark.id.split("/").slice(0, 2).map(encodeURIComponent).join("/");
    try {
      const since = Date.now() / 1000 - 86400;
      const trail = await this.store.api.get<Position[]>(`/api/v1/positions/${device}/trail?since=${since.toFixed(0)}`);
      this.view?.trail(trailLine(trail, this.info.datum));
    } catch {
      return; // the link says so in the header
    }
  }
}
