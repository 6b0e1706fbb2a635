import { resolve } from "node:path";
import { defineConfig } from "vitest/config";

// Two pages of one bundle, built into the Python package. Nothing is loaded from elsewhere and nothing is inlined:
// the server's content security policy allows only its own files.
const gateway = process.env["FIELDGATE"] ?? "https://127.0.0.1:8443";

export default defineConfig({
  base: "/",
  build: {
    outDir: "../gateway/api/static",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1200, // the map, loaded when it is first looked at
    modulePreload: { polyfill: false },
    rollupOptions: { input: [resolve(import.meta.dirname, "index.html"), resolve(import.meta.dirname, "play.html")] },
  },
  server: {
    proxy: Object.fromEntries(
      ["/api", "/whep", "/whep-session", "/talk", "/talk-session", "/healthz"].map((path) => [
        path,
        { target: gateway, secure: false, ws: path === "/api" },
      ]),
    ),
  },
  test: { environment: "happy-dom", include: ["tests/**/*.test.ts"] },
});
