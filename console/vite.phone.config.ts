import { resolve } from "node:path";
import { defineConfig } from "vite";

// The page for phones on site: one classic script in the syntax of 2015, for browsers that know no modules.
export default defineConfig({
  publicDir: false,
  build: {
    outDir: "../gateway/api/static",
    emptyOutDir: false,
    target: "es2015",
    lib: { entry: resolve(import.meta.dirname, "src/phone/main.ts"), formats: ["iife"], name: "fieldgatePhone", fileName: () => "phone/phone.js" },
  },
});
