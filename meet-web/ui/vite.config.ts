import { rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { brotliCompressSync } from 'node:zlib';
import { defineConfig } from 'vitest/config';
import type { Plugin } from 'vite';

// dist/ keeps its committed placeholder.html, so Vite must not empty it; the
// hashed files of the build before are taken away here instead.
function dropOldAssets(): Plugin {
  let assets = '';
  return {
    name: 'drop-old-assets',
    apply: 'build',
    configResolved({ root, build }) {
      assets = resolve(root, build.outDir, build.assetsDir);
    },
    buildStart() {
      rmSync(assets, { recursive: true, force: true });
    },
  };
}

// The front sends NAME.br instead of NAME to browsers that take it: an eighth less than what it
// would pack itself.
function addBrotli(): Plugin {
  return {
    name: 'add-brotli',
    apply: 'build',
    writeBundle({ dir }, bundle) {
      for (const [name, file] of Object.entries(bundle)) {
        if (dir !== undefined && /\.(js|css|html|svg)$/.test(name)) {
          writeFileSync(join(dir, `${name}.br`), brotliCompressSync(file.type === 'chunk' ? file.code : file.source));
        }
      }
    },
  };
}

export default defineConfig({
  base: '/',
  plugins: [dropOldAssets(), addBrotli()],
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
