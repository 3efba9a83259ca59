// Where dependency-cruiser finds the project's own names: in the sources, not in what was built.
const { resolve } = require('node:path');

const root = (path) => resolve(__dirname, '..', path);

module.exports = {
  resolve: {
    alias: {
      sockloop$: root('src/index.ts'),
      'sockloop/net$': root('src/adapters/net/index.ts'),
      'sockloop/dgram$': root('src/adapters/dgram/index.ts'),
      'sockloop/service$': root('src/service/index.ts'),
      'sockloop/workers$': root('src/workers/index.ts'),
      'sockloop/register$': root('src/adapters/register/index.ts'),
      'sockloop/web$': root('src/adapters/web/index.ts'),
      'sockloop/tls$': root('src/net/tls/index.ts'),
      'sockloop/socket$': root('src/socket/index.ts'),
      'sockloop/poller$': root('src/poller/index.ts'),
      'sockloop/sys$': root('src/sys/index.ts'),
      '#src': root('src'),
      '#tools': root('tools'),
      '#sim': root('sim'),
      '#bench': root('bench'),
      '#test': root('test'),
    },
    extensionAlias: { '.js': ['.ts', '.js'] },
  },
};
