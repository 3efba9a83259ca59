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
  'adapters/net/index',
  'workers/index',
  'service/index',
];
/** The threads of the library. */
const THREADS = ['workers/thread-worker'];
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

/**
 * The library is five files: the system calls, the loops, what stands in for node:net, threads, and
 * services.
 */
const SYS = 'sys';
const LOOPS = 'loops';
const NET = 'net';
const WORKERS = 'workers';
const SERVICE = 'service';
const LIBRARY = [SYS, LOOPS, NET, WORKERS, SERVICE];

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
  const entries = [
    ...[...PUBLIC, ...THREADS].map((name) => `src/${name}`),
    ...TOOLS.map((name) => `tools/${name}`),
  ];
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
        { name: SYS, test: /[/\\]dist[/\\]src[/\\](?:sys|base)[/\\]/, priority: 3 },
        {
          name: LOOPS,
          test: /[/\\]dist[/\\]src[/\\](?!(?:adapters|workers|service)[/\\])/,
          priority: 2,
        },
        { name: NET, test: /[/\\]dist[/\\]src[/\\]adapters[/\\]/, priority: 1 },
        { name: WORKERS, test: /[/\\]dist[/\\]src[/\\]workers[/\\]/, priority: 1 },
        { name: SERVICE, test: /[/\\]dist[/\\]src[/\\]service[/\\]/, priority: 1 },
      ],
    },
  });
  await joined.close();
  return output.map(({ fileName, moduleIds }) => ({
    path: fileName,
    modules: moduleIds.map((id) => relative(root, id)),
  }));
}
