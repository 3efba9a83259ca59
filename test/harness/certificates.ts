/** Keys and certificates, made by openssl(1) when a test begins and gone when it is over. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A private key and its certificate, as PEM. */
export interface Certificate {
  readonly key: string;
  readonly cert: string;
}

/** What a certificate is for. */
export interface Subject {
  /** The common name. */
  readonly name: string;
  /** `subjectAltName`: `DNS:localhost,IP:127.0.0.1`. Default: none. */
  readonly altNames?: string;
  /** The days for which it is valid from now on; negative for one that has expired. Default: 1. */
  readonly days?: number;
}

/** A certificate authority in a folder of its own. Its files are gone once it is disposed of. */
export class CertificateAuthority implements Disposable {
  /** What has to be trusted: PEM. */
  readonly cert: string;
  /** Where its files are, and those of what it has issued: `NAME.key`, `NAME.pem`, `ca.pem`. */
  readonly folder: string;
  #serial = 1;

  constructor(name = 'sockloop test authority') {
    this.folder = mkdtempSync(join(tmpdir(), 'sockloop-certificates-'));
    const ca = ['-keyout', this.path('ca.key'), '-out', this.path('ca.pem'), '-days', '2'];
    openssl(['req', '-x509', ...NEW_KEY, ...ca, '-subj', `/CN=${name}`]);
    this.cert = this.#read('ca.pem');
  }

  /** The path of one of its files. */
  path(file: string): string {
    return join(this.folder, file);
  }

  /** Issues a certificate, whose files are `NAME.key` and `NAME.pem`. */
  issue(file: string, subject: Subject): Certificate {
    this.#serial += 1;
    const signer = ['-CA', this.path('ca.pem'), '-CAkey', this.path('ca.key')];
    const serial = ['-set_serial', String(this.#serial)];
    return certify(this.folder, file, subject, [...signer, ...serial]);
  }

  #read(file: string): string {
    return readFileSync(this.path(file), 'utf8');
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** A certificate that vouches for itself. Its files stay in `folder`: `NAME.key`, `NAME.pem`. */
export function selfSigned(folder: string, file: string, subject: Subject): Certificate {
  return certify(folder, file, subject, ['-signkey', join(folder, `${file}.key`)]);
}

function certify(
  folder: string,
  file: string,
  { name, altNames, days = 1 }: Subject,
  signer: readonly string[],
): Certificate {
  const [key = '', request = '', cert = ''] = ['key', 'csr', 'pem'].map((kind) =>
    join(folder, `${file}.${kind}`),
  );
  const names = altNames === undefined ? [] : ['-addext', `subjectAltName=${altNames}`];
  const subject = ['-subj', `/CN=${name}`, ...names];
  openssl(['req', ...NEW_KEY, '-keyout', key, '-out', request, ...subject]);
  const lasts = ['-days', String(days), '-copy_extensions', 'copyall'];
  openssl(['x509', '-req', ...signer, ...lasts, '-in', request, '-out', cert]);
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

function openssl(words: readonly string[]): void {
  execFileSync('openssl', words, { stdio: 'pipe' });
}

/** A key on P-256, without a passphrase: made in a millisecond. */
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
