// Joins the compiled modules of dist/ into few files, with the packages that the tools use.
//
// Node finds, opens and links each module by itself: the 150 files of the library take 180 ms to
// import, and the same code in one file 40. Entries keep the paths that they have in dist/, because
// package.json and worker threads name them.

import { dirname, relative } from 'node:path';
import { rolldown } from 'rolldown';
import { root } from './root.mjs';

/** What `exports` of package.json names. */
export const PUBLIC = [
  'index',
  'socket/index',
  'poller/index',
  'sys/index',
  'net/tls/index',
  'adapters/net/index',
  'adapters/dgram/index',
  'adapters/register/index',
  'adapters/web/index',
  'workers/index',
  'service/index',
];
/** The threads of the library. */
const THREADS = ['workers/thread-worker'];
/** What Node loads by its path once `sockloop/register` is imported. */
const HOOKS = [
  'adapters/register/resolve-hook',
  'adapters/register/node-net',
  'adapters/register/node-dgram',
];
/** The programs, and the threads that they start. */
const TOOLS = [
  'cli/main',
  'cli/textbook/tcpserver',
  'cli/textbook/tcpclient',
  'echo/threads/server-worker',
  'echo/threads/client-worker',
  'echo/threads/loop-worker',
  'load/engine/worker',
  'compare/client/worker',
];

/** The library: a file of the system calls, one of the loops, and one of each of these folders. */
const SYS = 'sys';
const LOOPS = 'loops';
const PARTS = [
  { name: 'tls', folder: 'net/tls' },
  { name: 'net', folder: 'adapters/net' },
  { name: 'dgram', folder: 'adapters/dgram' },
  { name: 'web', folder: 'adapters/web' },
  { name: 'workers', folder: 'workers' },
  { name: 'service', folder: 'service' },
];
/** Loaded by its path and imported: Node's hooks and what sets them share it. */
const HOOK = 'hook';
const LIBRARY = [SYS, LOOPS, HOOK, ...PARTS.map(({ name }) => name)];

/** Whether a module lies in `folder` of the compiled library. */
const liesIn = (id, folder) => id.replaceAll('\\', '/').includes(`/dist/src/${folder}/`);

/** Whether it is one that loops need: of no part, and not of the hooks. */
function isOfLoops(id) {
  const isLibrary = /[/\\]dist[/\\]src[/\\]/.test(id) && !liesIn(id, 'adapters/register');
  return isLibrary && !PARTS.some(({ folder }) => liesIn(id, folder));
}

/** Stands for a module's `import.meta.url` until the file is known that it is joined to. */
const OWN_URL = 'sockloopUrlOf';

/** A module finds files by its own URL, and gets the one that it had in dist/. */
const ownUrl = {
  name: 'own-url',
  transform: {
    filter: { id: /[/\\]dist[/\\](?:tools|src[/\\]workers)[/\\]/ },
    handler: (code, id) =>
      code.replaceAll('import.meta.url', `${OWN_URL}("${relative(root, id)}")`),
  },
  renderChunk(code, { fileName }) {
    const from = dirname(fileName);
    return code.replaceAll(new RegExp(`${OWN_URL}\\("([^"]+)"\\)`, 'g'), (_, module) => {
      return `new URL("${relative(from, module)}", import.meta.url).href`;
    });
  },
};

const COMPRESSION = /eval\('require\("zlib"\)[.](\w+)'\)/g;

const NOTHING = '\0nothing';
/** Of hdr-histogram-js: what compresses in browsers, and WebAssembly; no tool uses them. */
const UNUSED = /^(?:pako|@assemblyscript[/]loader|[.][/]generated-wasm)$/;

/**
 * hdr-histogram-js takes the zlib of Node by an eval, to hide it from bundlers. A module does not
 * find it so, and rolldown warns of the eval.
 */
const histograms = {
  name: 'histograms',
  transform: {
    filter: { id: /[/\\]JsHistogram[.]encoding[.]js$/ },
    handler: (code) => code.replaceAll(COMPRESSION, 'require("node:zlib").$1'),
  },
  resolveId: { filter: { id: UNUSED }, handler: () => NOTHING },
  load: { filter: { id: /^\0nothing$/ }, handler: () => 'export {};' },
};

/** The chart library lies beside the tools: its package is not installed. */
const charts = {
  name: 'charts',
  transform: {
    filter: { id: /[/\\]chart-library[.]js$/ },
    handler(code) {
      const placed = code.replace('import.meta.resolve(file)', "'../../' + file, import.meta.url");
      if (placed === code) throw new Error('chart-library.ts finds uPlot in a new way');
      return placed;
    },
  },
};

/**
 * Writes the joined files below `folder`.
 *
 * @returns The files, each with its path in `folder` and the paths of the modules that it holds.
 */
export async function bundle(folder) {
  const library = [...PUBLIC, ...THREADS, ...HOOKS].map((name) => `src/${name}`);
  const entries = [...library, ...TOOLS.map((name) => `tools/${name}`)];
  const joined = await rolldown({
    cwd: root,
    input: Object.fromEntries(entries.map((name) => [name, `./dist/${name}.js`])),
    external: ['koffi'],
    // A package is named by its place in node_modules, wherever that may lead.
    resolve: { symlinks: false },
    platform: 'node',
    plugins: [charts, ownUrl, histograms],
    onLog: (level, { message }) => {
      throw new Error(`rolldown: ${level}: ${message}`);
    },
  });
  const { output } = await joined.write({
    dir: folder,
    format: 'esm',
    entryFileNames: 'dist/[name].js',
    chunkFileNames: ({ name }) =>
      `dist/${LIBRARY.includes(name) ? 'src' : 'tools'}/joined/[name].js`,
    // Names and lines stay as they are, for stack traces and for readers.
    minify: false,
    comments: { legal: true, annotation: true, jsdoc: false },
    codeSplitting: {
      groups: [
        // A group takes along what its modules import, unless another one has it.
        { name: SYS, test: (id) => liesIn(id, 'sys') || liesIn(id, 'base'), priority: 3 },
        { name: LOOPS, test: isOfLoops, priority: 2 },
        ...PARTS.map(({ name, folder }) => ({
          name,
          // What begins a thread must not run where the rest is imported.
          test: (id) => liesIn(id, folder) && !id.endsWith('thread-worker.js'),
          priority: 1,
        })),
        { name: HOOK, test: /[/\\]register[/\\]resolve-hook[.]js$/, priority: 1 },
      ],
    },
  });
  await joined.close();
  return output.map(({ fileName, moduleIds }) => ({
    path: fileName,
    modules: moduleIds.map((id) => relative(root, id)),
  }));
}
