// One picture, full screen, with its arrows: what a link in a message opens. `window.__fieldgate` says how it stands, for
// checks without a person.

import { Api, keepAwake } from "./api";
import { fill, h, icon } from "./dom";
import { Reasons } from "./panels";
import { PtzPad } from "./ptz";
import { signIn } from "./signin";
import { Store } from "./store";
import { Tile } from "./tile";

export interface Facts {
  framesDecoded: number;
  videoWidth: number;
  videoHeight: number;
  firstFrameMs: number | null;
  state: string;
  reason: string;
  attempts: number;
  lastFrameAgeMs: number | null;
}

declare global {
  interface Window {
    __fieldgate: Facts;
  }
}

const facts: Facts = {
  framesDecoded: 0,
  videoWidth: 0,
  videoHeight: 0,
  firstFrameMs: null,
  state: "signing-in",
  reason: "",
  attempts: 0,
  lastFrameAgeMs: null,
};
window.__fieldgate = facts;

const app = document.querySelector("#app") ?? document.body;
const stream = decodeURIComponent(location.pathname.replace(/^\/play\//, "").replace(/\/$/, ""));
const api = new Api();

async function begin(): Promise<void> {
  await signIn(api, app);
  const store = new Store(api, () => api.onSignedOut());
  const pad = new PtzPad(store, true);
  let moves = "";
  let framesBefore = 0; // of connections before this one
  let framesNow = 0;
  const reasons = new Reasons(store);
  void reasons.read();
  const tile = new Tile(api, stream, {
    title: () => {
      const found = store.find(stream);
      const name = found ? found.device.name || found.channel.name : store.streams.get(stream)?.title || stream;
      return [store.whose(stream), name].filter(Boolean).join(" / ");
    },
    cause: (code) => reasons.cause(code),
    cure: (code) => reasons.cure(code),
    status: () => store.streams.get(stream) ?? null,
    onState: (state, figures, video) => {
      if (figures.framesDecoded < framesNow) framesBefore += framesNow;
      framesNow = figures.framesDecoded;
      facts.framesDecoded = framesBefore + framesNow;
      facts.videoWidth = video.videoWidth;
      facts.videoHeight = video.videoHeight;
      facts.firstFrameMs = state.firstFrameMs;
      facts.state = state.phase;
      facts.reason = state.code;
      facts.attempts = state.attempts;
      facts.lastFrameAgeMs = state.lastFrameAt === null ? null : performance.now() - state.lastFrameAt;
    },
  });
  const drawer = h("details", { class: "drawer" }, h("summary", { "aria-label": "PTZ" }, icon("move")), pad.element);
  fill(app, h("div", { class: "player" }, tile.element, drawer));
  drawer.open = matchMedia("(min-width: 48rem)").matches && store.mayMove();
  api.onSignedOut = () => {
    tile.stop();
    pad.stop();
    store.stop();
    facts.state = "signed-out";
    void begin();
  };
  // The picture first: the lists can wait for it.
  tile.start();
  store.start();
  store.on("directory", () => {
    const id = store.streams.has(stream) ? stream : [...store.streams.keys()].find((one) => one.endsWith(`/${stream}`));
    if (id && id !== moves) {
      moves = id;
      pad.show(id);
    }
  });
}

keepAwake(api);
void begin();
