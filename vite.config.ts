// Builds the page of `s2ap dashboard` into dist/dashboard/page, which the package ships.
import preact from "@preact/preset-vite";
import { defineConfig } from "vite";

export default defineConfig({
  root: "src/dashboard/client",
  plugins: [preact({ devToolsEnabled: false })],
  build: {
    outDir: "../../../dist/dashboard/page",
    emptyOutDir: true,
    // The page's Content-Security-Policy knows no data: addresses.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 900,
  },
});
