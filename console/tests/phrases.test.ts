import { afterEach, beforeEach, expect, test } from "vitest";
import { setLanguage } from "../src/i18n";
import { detail, learn } from "../src/phrases";

const ROWS: [string, string][] = [
  ["{} answered {} with {}", "{} 对 {} 应答 {}"],
  ["{} is {} of {}: use another name", "{0} 是 {2} 的 {1}：请换名称"],
  ["[Errno {}] {}", "{1}"],
  ["the tunnel broke: {}", "隧道中断：{}"],
  ["Connection refused", "连接被拒绝"],
  ["(a+)? has {}", "(a+)? 有 {}"],
];

beforeEach(() => {
  setLanguage("zh");
  learn(ROWS, (code) => (code === "no-media" ? "没有媒体。" : ""));
});
afterEach(() => {
  setLanguage("en");
  learn([], () => "");
});

test("a detail is known by its words; names, numbers and what programs say stay", () => {
  expect(detail("10.0.0.9:554 answered DESCRIBE with 404 Not Found")).toBe("10.0.0.9:554 对 DESCRIBE 应答 404 Not Found");
  expect(detail("the tunnel broke: [Errno 111] Connection refused")).toBe("隧道中断：连接被拒绝");
  expect(detail("cam-1: Connection refused")).toBe("cam-1：连接被拒绝");
  expect(detail("x is y of z: use another name")).toBe("x 是 z 的 y：请换名称");
  expect(detail("(a+)? has {0}")).toBe("(a+)? 有 {0}");
  expect(detail("nobody has ever said this: so")).toBe("nobody has ever said this: so");
  expect(detail("no-media")).toBe("没有媒体。");
  expect(detail("")).toBe("");
});

test("in English it stays as it was written", () => {
  setLanguage("en");
  expect(detail("the tunnel broke: Connection refused")).toBe("the tunnel broke: Connection refused");
});
