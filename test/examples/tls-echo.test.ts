// Goal: examples/tls-echo.ts does what it says, and its answers end as TLS has it.
// Method: as its user would: the program with a new certificate, openssl s_client, Ctrl-C.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CertificateAuthority } from '#test/harness/certificates.js';
import { start } from '#test/harness/command.js';
import { leakCheck } from '#test/harness/leaks.js';
import { reasonWithout } from '#test/harness/other-programs.js';
import { root } from '#test/harness/programs.js';

const timeout = 120_000;
const skip = reasonWithout('openssl');

test('examples/tls-echo.ts: echoes to openssl s_client', { skip, timeout }, async (t) => {
  leakCheck(t);
  using authority = new CertificateAuthority();
  authority.issue('localhost', { name: 'localhost', altNames: 'DNS:localhost' });
  const files = [authority.path('localhost.key'), authority.path('localhost.pem')];
  const program = start(t, [process.execPath, `${root}build/examples/tls-echo.js`, ...files, '0']);
  const [, port = ''] = await program.until('out', /^listening on 127\.0\.0\.1:(\d+)$/m);
  const trusts = ['-CAfile', authority.path('ca.pem'), '-verify_hostname', 'localhost'];
  const words = ['s_client', '-connect', `127.0.0.1:${port}`, '-verify_return_error', ...trusts];
  const client = start(t, ['openssl', ...words, '-quiet', '-no_ign_eof']);
  client.child.stdin?.write('hello over TLS\n');
  await client.until('out', /hello over TLS/);
  await program.until('out', /^TLSv1\.3, TLS_AES_256_GCM_SHA384$/m);
  client.child.stdin?.end();
  await program.until('out', /^closed$/m);
  const { status, err } = await program.stop('SIGINT');
  assert.equal(status, 0, err);
});
