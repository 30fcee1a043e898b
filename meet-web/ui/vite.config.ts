import { rmSync } from 'node:fs';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

// dist/ keeps its committed placeholder.html, so Vite must not empty it; the
// hashed files of the build before are taken away here instead.
function dropOldAssets(): Plugin {
  return {
    name: 'drop-old-assets',
    apply: 'build',
    buildStart() {
      rmSync(new URL('dist/assets', import.meta.url), { recursive: true, force: true });
    },
  };
}

export default defineConfig({
  base: '/',
  plugins: [dropOldAssets()],
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: 'dist',
    emptyOutDir: false,
    target: 'es2022',
    // The page's policy allows no data: scripts or styles, and small files are cheap over one connection.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  server: {
    proxy: {
      '/config.js': 'http://127.0.0.1:8000',
      '/http-bind': 'http://127.0.0.1:8000',
      '/xmpp-websocket': { target: 'ws://127.0.0.1:8000', ws: true },
      '/colibri-ws': { target: 'ws://127.0.0.1:8000', ws: true },
    },
  },
  test: {
    environment: 'happy-dom',
    include: ['src/**/*.test.{ts,tsx}'],
    // The tests leave nothing behind, and one document for all is far quicker than one a file.
    isolate: false,
    css: { modules: { classNameStrategy: 'non-scoped' } },
  },
});
