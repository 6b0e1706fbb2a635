// MapLibre behind the few verbs the console needs. Loaded when the map is first looked at: it is larger than all else.

import "maplibre-gl/dist/maplibre-gl.css";
import { addProtocol, AttributionControl, LngLatBounds, type LngLatLike, Map as LibreMap, Marker, NavigationControl, Popup, ScaleControl, setWorkerUrl, type StyleSpecification } from "maplibre-gl";
import workerUrl from "maplibre-gl/dist/maplibre-gl-worker.mjs?url";
import { PMTiles, Protocol } from "pmtiles";
import { h } from "./dom";
import type { LonLat } from "./geo";
import { graticule } from "./graticule";
import { t } from "./i18n";
import type { Mark } from "./mapdata";
import type { MapInfo } from "./types";

const TILES = "/api/v1/map/tiles.pmtiles";
const GROUND = "#10161d";
const VECTOR = 1; // PMTiles v3 header: type of tile

setWorkerUrl(workerUrl);
const protocol = new Protocol();
addProtocol("pmtiles", protocol.tile);

export class MapView {
  private readonly map: LibreMap;
  private ready = false;
  private readonly markers = new Map<string, { marker: Marker; mark: Mark }>();

  static async made(place: HTMLElement, info: MapInfo, onPick: (mark: Mark) => HTMLElement): Promise<MapView> {
    const view = new MapView(place, await style(info), onPick);
    if (!info.tiles) view.draw();
    return view;
  }

  private constructor(
    place: HTMLElement,
    base: StyleSpecification,
    private readonly onPick: (mark: Mark) => HTMLElement,
  ) {
    this.map = new LibreMap({ container: place, style: base, center: [104, 35], zoom: 3, attributionControl: false, dragRotate: false, pitchWithRotate: false });
    this.map.on("load", () => (this.ready = true));
    this.map.touchZoomRotate.disableRotation();
    this.map.addControl(new NavigationControl({ showCompass: false }), "top-right");
    this.map.addControl(new ScaleControl({}), "bottom-left");
    this.map.addControl(new AttributionControl({ compact: true }), "bottom-right");
  }

  show(marks: Mark[]): void {
    const kept = new Set(marks.map((mark) => mark.id));
    for (const [id, { marker }] of this.markers) {
      if (kept.has(id)) continue;
      marker.remove();
      this.markers.delete(id);
    }
    for (const mark of marks) {
      const known = this.markers.get(mark.id);
      if (known) {
        known.mark = mark;
        known.marker.setLngLat(mark.at);
        dress(known.marker.getElement(), mark);
        continue;
      }
      const element = h("button", { type: "button", class: "mark" }, h("span", { class: "dot" }), h("span", { class: "name" }));
      dress(element, mark);
      const marker = new Marker({ element, anchor: "left", offset: [-6, 0] }).setLngLat(mark.at);
      const held = { marker, mark };
      element.addEventListener("click", (event) => {
        event.stopPropagation();
        new Popup({ closeButton: false, maxWidth: "20rem", className: "mark-popup" }).setLngLat(held.mark.at).setDOMContent(this.onPick(held.mark)).addTo(this.map);
      });
      marker.addTo(this.map);
      this.markers.set(mark.id, held);
    }
  }

  trail(points: LonLat[]): void {
    this.lines("trail", [points], { "line-color": "#4fb3ff", "line-width": 3, "line-opacity": 0.8 });
  }

  /** Lines of latitude and longitude, wherever the map is moved to. */
  private draw(): void {
    const now = (): void => {
      const box = this.map.getBounds();
      const lines = graticule({ west: box.getWest(), south: box.getSouth(), east: box.getEast(), north: box.getNorth() });
      this.lines("graticule", lines, { "line-color": "#2f3d4c", "line-width": 1 });
    };
    this.map.on("load", now);
    this.map.on("moveend", now);
  }

  private lines(name: string, coordinates: LonLat[][], paint: Record<string, unknown>): void {
    const data = { type: "Feature" as const, properties: {}, geometry: { type: "MultiLineString" as const, coordinates } };
    const known = this.map.getSource(name);
    if (known && "setData" in known) (known as unknown as { setData(given: typeof data): void }).setData(data);
    else if (this.ready) {
      this.map.addSource(name, { type: "geojson", data });
      this.map.addLayer({ id: name, type: "line", source: name, paint });
    }
  }

  fit(box: [number, number, number, number]): void {
    const corners: [LngLatLike, LngLatLike] = [
      [box[0], box[1]],
      [box[2], box[3]],
    ];
    this.map.fitBounds(new LngLatBounds(...corners), { padding: { top: 50, bottom: 50, left: 40, right: Math.min(260, 0.4 * this.map.getContainer().clientWidth) }, maxZoom: 15, duration: 0 });
  }

  resize(): void {
    this.map.resize();
  }

  remove(): void {
    this.map.remove();
  }
}

function dress(element: HTMLElement, mark: Mark): void {
  element.dataset["tone"] = mark.tone;
  element.dataset["mark"] = mark.id;
  element.title = `${mark.title}\n${mark.words}`;
  const name = element.querySelector(".name");
  if (name && name.textContent !== mark.title) name.textContent = mark.title;
}

/** The base: a picture map, a vector map without labels (its words would need fonts from elsewhere), or bare ground. */
async function style(info: MapInfo): Promise<StyleSpecification> {
  const ground = { id: "ground", type: "background" as const, paint: { "background-color": GROUND } };
  if (!info.tiles) return { version: 8, sources: {}, layers: [ground] };
  const url = new URL(TILES, location.href).href;
  const file = new PMTiles(url);
  protocol.add(file);
  const header = await file.getHeader();
  const source = { url: `pmtiles://${url}`, attribution: info.attribution };
  if (header.tileType !== VECTOR) {
    return { version: 8, sources: { base: { type: "raster", tileSize: 256, ...source } }, layers: [ground, { id: "base", type: "raster", source: "base" }] };
  }
  const layer = (id: string, kind: "fill" | "line", sourceLayer: string, paint: Record<string, unknown>) => ({ id, type: kind, source: "base", "source-layer": sourceLayer, paint }) as StyleSpecification["layers"][number];
  return {
    version: 8,
    sources: { base: { type: "vector", ...source } },
    // The layers of the Protomaps basemap and of OpenMapTiles, whichever the file has.
    layers: [
      ground,
      layer("earth", "fill", "earth", { "fill-color": "#1a222b" }),
      layer("landcover", "fill", "landcover", { "fill-color": "#1d2a24" }),
      layer("landuse", "fill", "landuse", { "fill-color": "#1f2a2a" }),
      layer("water", "fill", "water", { "fill-color": "#152a3f" }),
      layer("buildings", "fill", "buildings", { "fill-color": "#2a333d" }),
      layer("building", "fill", "building", { "fill-color": "#2a333d" }),
      layer("roads", "line", "roads", { "line-color": "#46525f", "line-width": 1.2 }),
      layer("transportation", "line", "transportation", { "line-color": "#46525f", "line-width": 1.2 }),
      layer("boundaries", "line", "boundaries", { "line-color": "#6b5f7d", "line-dasharray": [2, 2] }),
      layer("boundary", "line", "boundary", { "line-color": "#6b5f7d", "line-dasharray": [2, 2] }),
    ],
  };
}

export function failed(): HTMLElement {
  return h("p", { class: "empty" }, t("mapFailed"));
}
