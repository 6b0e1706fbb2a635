// The phone's page: its script is in the syntax of 2015, its pieces are right, and what is sent arrives once.

import { createHash } from "node:crypto";
import { resolve } from "node:path";
import { parse } from "acorn";
import { build } from "vite";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Item, Kept, ulid } from "../src/phone/kept";
import { orientation } from "../src/phone/photo";
import { wav } from "../src/phone/recorder";
import { Sender } from "../src/phone/sender";
import { sha256 } from "../src/phone/sha256";

const root = resolve(import.meta.dirname, "..");

async function script(): Promise<string> {
  const made = await build({ configFile: resolve(root, "vite.phone.config.ts"), root, logLevel: "silent", build: { write: false } });
  const [one] = Array.isArray(made) ? made : [made];
  const chunk = (one as { output: { code?: string }[] }).output[0];
  return chunk?.code ?? "";
}

describe("the built script", () => {
  it("is one classic script of 2015, without what came later", async () => {
    const code = await script();
    expect(code.length).toBeGreaterThan(10000);
    expect(code.length).toBeLessThan(60000);
    parse(code, { ecmaVersion: 2015, sourceType: "script" });
    expect(() => parse("async () => 1", { ecmaVersion: 2015 })).toThrow();
    // What Chrome 51 and iOS 12 lack; the types of lib ES2015 hold the language's own library.
    for (const late of ["replaceChildren", ".append(", "AbortController", "fetch(", "IntersectionObserver", "structuredClone"]) {
      expect(code.includes(late), late).toBe(false);
    }
  });
});

describe("sha256", () => {
  it("is what others compute", async () => {
    for (const size of [0, 1, 55, 56, 63, 64, 65, 119, 120, 1000, 600001]) {
      const data = new Uint8Array(size).map((_, i) => (i * 7919) & 255);
      expect(await sha256(data.buffer)).toBe(createHash("sha256").update(data).digest("hex"));
    }
  });
});

describe("small pieces", () => {
  it("ids sort by time and are ULIDs", () => {
    const [a, b] = [ulid(1_790_000_000_000), ulid(1_790_000_000_001)];
    expect(a).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
    expect(a < b).toBe(true);
    expect(ulid(1_790_000_000_000)).not.toBe(a);
  });

  it("reads EXIF's orientation, and nothing from rubbish", () => {
    for (const little of [true, false]) {
      const view = new DataView(new ArrayBuffer(60));
      view.setUint16(0, 0xffd8);
      view.setUint16(2, 0xffe1);
      view.setUint16(4, 50);
      view.setUint32(6, 0x45786966);
      view.setUint16(12, little ? 0x4949 : 0x4d4d);
      view.setUint16(14, 42, little);
      view.setUint32(16, 8, little);
      view.setUint16(20, 1, little);
      view.setUint16(22, 0x0112, little);
      view.setUint16(24, 3, little);
      view.setUint32(26, 1, little);
      view.setUint16(30, 6, little);
      expect(orientation(view.buffer)).toBe(6);
      for (let cut = 0; cut < 32; cut++) expect(orientation(view.buffer.slice(0, cut))).toBe(1);
    }
  });

  it("writes a WAV", () => {
    const made = new DataView(wav([new Int16Array([1, -2]), new Int16Array([3])]));
    expect([made.byteLength, made.getUint32(4, true), made.getUint32(40, true)]).toEqual([50, 42, 6]);
    expect([made.getInt16(44, true), made.getInt16(46, true), made.getInt16(48, true)]).toEqual([1, -2, 3]);
  });
});

/** A gateway in memory: files grow at their offsets, answers can be lost on the way back. */
class Far {
  files = new Map<string, { size: number; bytes: number[]; puts: number }>();
  order: string[] = [];
  lose = 0;
  off = false;

  answer(method: string, path: string, headers: Record<string, string>, body: unknown): [number, unknown] {
    if (path === "/phone/join") return [200, { device: "kit1/p", stream: "kit1/p/ch1", name: "Wang", place: "", chunk: 65536 }];
    const id = path.split("/")[3] ?? "";
    if (method === "PUT") {
      const told = JSON.parse(String(body)) as { size: number };
      const known = this.files.get(id) ?? { size: told.size, bytes: [], puts: 0 };
      known.puts += 1;
      this.files.set(id, known);
    }
    const file = this.files.get(id);
    if (!file) return [404, { code: "not-found", cause: {}, cure: {} }];
    if (method === "PATCH" && Number(headers["Upload-Offset"]) === file.bytes.length) {
      for (const byte of new Uint8Array(body as ArrayBuffer)) file.bytes.push(byte);
    }
    const complete = file.bytes.length === file.size;
    if (complete && !this.order.includes(id)) this.order.push(id);
    return [200, { received: file.bytes.length, complete }];
  }
}

describe("the sender", () => {
  const before = globalThis.XMLHttpRequest;
  const far = new Far();

  beforeEach(() => {
    Object.assign(far, { files: new Map(), order: [], lose: 0, off: false });
    class Request {
      timeout = 0;
      status = 0;
      responseText = "";
      onload = (): void => undefined;
      onerror = (): void => undefined;
      private readonly headers: Record<string, string> = {};
      private asked: [string, string] = ["", ""];
      open(method: string, path: string): void {
        this.asked = [method, path];
      }
      setRequestHeader(name: string, value: string): void {
        this.headers[name] = value;
      }
      getResponseHeader(): string {
        return "";
      }
      send(body: unknown): void {
        setTimeout(() => {
          if (far.off) return this.onerror();
          const [status, told] = far.answer(this.asked[0], this.asked[1], this.headers, body);
          if (far.lose > 0 && this.asked[0] === "PATCH") {
            far.lose -= 1;
            return this.onerror();
          }
          this.status = status;
          this.responseText = JSON.stringify(told);
          this.onload();
        }, 0);
      }
    }
    globalThis.XMLHttpRequest = Request as unknown as typeof XMLHttpRequest;
  });

  afterEach(() => {
    globalThis.XMLHttpRequest = before;
  });

  const item = (kind: Item["kind"], size: number, taken: number): Item => ({
    id: ulid(taken),
    kind,
    taken,
    text: "",
    type: "image/jpeg",
    size,
    sha256: "",
    where: null,
    data: size ? new Uint8Array(size).fill(taken & 255).buffer : null,
    state: "kept",
    code: "",
  });

  async function sent(kept: Kept, count: number, sender: Sender): Promise<void> {
    for (let i = 0; i < 2000; i++) {
      const all = await kept.all();
      if (all.filter((one) => one.state === "sent").length === count) return;
      if (i % 20 === 0) sender.kick(); // what time and the network's return do
      await new Promise((done) => setTimeout(done, 5));
    }
    throw new Error("not sent");
  }

  it("sends photos before voice notes, though they came later, and positions before all", async () => {
    const kept = new Kept();
    const [voice, photo, position] = [item("voice", 150000, 1), item("photo", 90000, 2), item("position", 0, 3)];
    for (const one of [voice, photo, position]) await kept.put(one);
    const sender = new Sender(kept, () => "b", () => "", () => undefined);
    sender.kick();
    await sent(kept, 3, sender);
    expect(far.order).toEqual([position.id, photo.id, voice.id]);
    expect(far.files.get(photo.id)?.bytes.length).toBe(90000);
    expect((await kept.all()).every((one) => one.data === null)).toBe(true);
  });

  it("goes on where it ended when answers are lost and the link is away", async () => {
    const kept = new Kept();
    const photo = item("photo", 200000, 5);
    await kept.put(photo);
    far.lose = 3;
    const sender = new Sender(kept, () => "b", () => "", () => undefined);
    sender.kick();
    await new Promise((done) => setTimeout(done, 30));
    far.off = true;
    await new Promise((done) => setTimeout(done, 30));
    far.off = false;
    await sent(kept, 1, sender);
    const file = far.files.get(photo.id);
    expect(file?.bytes.length).toBe(200000);
    expect(far.order).toEqual([photo.id]);
    expect(far.lose).toBe(0);
  });
});
