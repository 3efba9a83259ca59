// Who may import whom. Type-only imports count as imports.
//
// Each string is a regular expression; test/guards fails for one that matches no file of the tree,
// because a rule about a path that does not exist refuses nothing.

/** Every room, and the rooms that it may import from besides itself. */
const ROOMS = {
  'src/base': [],
  'src/framing': ['src/base'],
  'src/sys': ['src/base'],
  'src/socket': ['src/base', 'src/sys'],
  'src/poller': ['src/base', 'src/sys', 'src/socket'],
  'src/ring': ['src/base', 'src/sys', 'src/socket'],
};
ROOMS['src/loop'] = Object.keys(ROOMS).filter((room) => room !== 'src/framing');
ROOMS['src/net'] = Object.keys(ROOMS);
ROOMS['src/workers'] = Object.keys(ROOMS);
ROOMS['src/service'] = Object.keys(ROOMS).filter((room) => room !== 'src/workers');
ROOMS['src/adapters'] = Object.keys(ROOMS);
const LIBRARY = ['src'];
ROOMS['tools/terminal'] = LIBRARY;
ROOMS['tools/measure'] = [...LIBRARY, 'tools/terminal'];
ROOMS['tools/echo'] = [...LIBRARY, 'tools/terminal', 'tools/measure'];
ROOMS['tools/metrics'] = [...ROOMS['tools/echo'], 'tools/echo'];
ROOMS['tools/load'] = [...ROOMS['tools/echo'], 'tools/echo'];
ROOMS['tools/compare'] = [...ROOMS['tools/load'], 'tools/load'];
ROOMS['tools/report'] = [...ROOMS['tools/compare'], 'tools/compare'];
ROOMS['tools/cli'] = [...ROOMS['tools/report'], 'tools/report', 'tools/metrics'];

/** What a simulated kernel may run of the real one: numbers and arithmetic, no calls. */
const ARITHMETIC = [
  '^src/base/',
  '^src/sys/abi/',
  '^src/sys/errno[.]ts$',
  '^src/sys/struct[.]ts$',
  '^src/sys/sockaddr[.]ts$',
  '^src/sys/control-messages[.]ts$',
  '^src/loop/datagram/received[.]ts$',
];
const PUBLIC = [
  '^src/index[.]ts$',
  '^src/socket/index[.]ts$',
  '^src/poller/index[.]ts$',
  '^src/sys/index[.]ts$',
  '^src/adapters/net/index[.]ts$',
  '^src/adapters/dgram/index[.]ts$',
  '^src/workers/index[.]ts$',
  '^src/adapters/register/index[.]ts$',
  '^src/adapters/web/index[.]ts$',
  '^src/net/tls/index[.]ts$',
  '^src/service/index[.]ts$',
];
/** Packages whose code is part of what packing/ writes. */
const JOINED = 'node_modules/(commander|hdr-histogram-js|uplot|valibot)/';
/** What is run or imported from outside; threads, pages and hooks are found by their path. */
const ROOTS = [
  ...PUBLIC,
  '^src/adapters/register/node-(dgram|net)[.]ts$',
  '^tools/cli/main[.]ts$',
  '^tools/cli/textbook/tcp(server|client)[.]ts$',
  '^tools/cli/demo/demo[.]ts$',
  '^src/workers/thread-worker[.]ts$',
  '^tools/echo/threads/(server|client|loop)-worker[.]ts$',
  '^tools/load/engine/worker[.]ts$',
  '^tools/compare/client/worker[.]ts$',
  '^tools/report/html/page/main[.]ts$',
];
const TREE = ['^src/', '^tools/', '^sim/', '^test/', '^bench/', '^examples/'];

const inRoom = (room) => `^${room}/`;

const layers = Object.entries(ROOMS).map(([room, below]) => ({
  name: 'layers',
  comment: `${room} imports from ${below.join(', ') || 'itself'} only`,
  severity: 'error',
  from: { path: inRoom(room) },
  to: { path: TREE, pathNot: [room, ...below].map(inRoom) },
}));

const rule = (name, comment, from, to) => ({ name, comment, severity: 'error', from, to });

module.exports = {
  forbidden: [
    ...layers,
    rule(
      'rooms',
      'src/ and tools/ hold rooms; put the file into one, or name a new one in ROOMS',
      {
        path: ['^src/', '^tools/'],
        pathNot: ['^src/index[.]ts$', ...Object.keys(ROOMS).map(inRoom)],
      },
      {},
    ),
    rule(
      'public-names',
      'sockloop passes on the names of the library',
      { path: '^src/index[.]ts$' },
      { pathNot: '^src/' },
    ),
    rule(
      'examples-use-public-names',
      'an example imports what a user can import',
      { path: '^examples/' },
      { path: TREE, pathNot: ['^examples/', ...PUBLIC] },
    ),
    rule(
      'tests-stay-outside',
      'only tests import tests',
      { pathNot: '^test/' },
      { path: '^test/' },
    ),
    rule(
      'simulator',
      'a simulated kernel stands in for the real one: it imports its types only',
      { path: '^sim/' },
      { path: '^src/', pathNot: ARITHMETIC, dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'simulator-alone',
      'the simulator knows the library alone',
      { path: '^sim/' },
      { path: TREE, pathNot: ['^sim/', '^src/'] },
    ),
    rule(
      'ffi',
      'add the call to the Sys interface and to src/sys/native.ts',
      { pathNot: '^src/sys/native[.]ts$' },
      { path: ['^koffi$', 'node_modules/koffi/'] },
    ),
    rule(
      'ring-memory',
      'ask the ring by its methods',
      { pathNot: ['^src/ring/', '^test/'] },
      { path: '^src/ring/memory[.]ts$' },
    ),
    rule(
      'library-dependencies',
      'the library depends on koffi alone',
      { path: '^src/' },
      {
        dependencyTypes: [
          'npm',
          'npm-dev',
          'npm-optional',
          'npm-peer',
          'npm-no-pkg',
          'npm-unknown',
        ],
        pathNot: ['^koffi$', 'node_modules/koffi/'],
      },
    ),
    rule(
      'shipped-dependencies',
      'what is shipped needs no development package but those whose code packing/ joins to it',
      { path: '^tools/' },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: JOINED },
    ),
    rule(
      'machine',
      'ask the Sys or tools/measure for the machine',
      {
        path: ['^src/', '^tools/'],
        pathNot: [
          '^src/sys/',
          '^src/workers/options[.]ts$',
          '^tools/echo/datagrams/client-names[.]ts$',
          '^tools/measure/',
          '^tools/terminal/',
          '^tools/cli/',
        ],
      },
      { path: '^(node:)?os$' },
    ),
    rule(
      'sources',
      'import the source; what was built from it follows',
      {},
      { path: '^(dist|build)/' },
    ),
    rule('unresolved', 'the import leads nowhere', {}, { couldNotResolve: true }),
    rule(
      'circles',
      'no file needs itself to be understood',
      {},
      { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    ),
    rule(
      'orphans',
      'nothing imports the file, and it imports nothing',
      { orphan: true, pathNot: '^bench/peers/' },
      {},
    ),
    rule(
      'dead-files',
      'no public name, no command and no thread needs the file; delete it, or move it to test/',
      { path: ROOTS },
      { path: ['^src/', '^tools/'], pathNot: ROOTS, reachable: false },
    ),
    rule(
      'file-names',
      'a name says what the file holds',
      { path: '(^|[/-])(utils?|helpers?|manager|misc|stuff)([./-]|$)' },
      {},
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    doNotFollow: { path: 'node_modules' },
    webpackConfig: { fileName: 'guards/resolve.cjs' },
  },
};
