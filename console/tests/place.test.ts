import { expect, test } from "vitest";
import { columnsFor } from "../src/columns";
import { Store } from "../src/store";
import { byKit } from "../src/tree";
import type { Device, Kit } from "../src/types";
import { fakeApi, json } from "./fakes";

const device = (id: string): Device => ({ id, name: "Ball", external_id: "", alias: "", state: "online", code: "", channels: [] }) as unknown as Device;

test("pictures are put beside or above each other, whichever makes them larger", () => {
  expect(columnsFor(1, 800, 800)).toBe(1);
  expect(columnsFor(2, 800, 800)).toBe(1);
  expect(columnsFor(2, 1600, 500)).toBe(2);
  expect(columnsFor(4, 1600, 900)).toBe(2);
  expect(columnsFor(3, 800, 800)).toBe(1);
  expect(columnsFor(9, 1600, 900)).toBe(3);
  expect(columnsFor(5, 0, 0)).toBe(3);
});

test("devices of kits stand under their kit's name, our own first", async () => {
  const { api } = fakeApi((_, path) => (path === "/api/v1/kits" ? json([{ gateway: "county-a", name: "County A", centers: [] } as unknown as Kit]) : json({ role: "center", name: "Center" })));
  const store = new Store(api, () => undefined);
  store.gateway = "center";
  await store.readKits();
  expect([store.name, store.whose("county-a/ball-1"), store.whose("center/ball-1"), store.whose("county-b/x")]).toEqual(["Center", "County A", "", "county-b"]);
  const all = ["county-b/ball-1", "center/gate", "county-a/ball-1", "county-a/ball-2"].map(device);
  expect(byKit(all, (id) => store.whose(id)).map(([kit, of]) => [kit, of.map((one) => one.id)])).toEqual([
    ["", ["center/gate"]],
    ["County A", ["county-a/ball-1", "county-a/ball-2"]],
    ["county-b", ["county-b/ball-1"]],
  ]);
});
