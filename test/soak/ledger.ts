/** Connections of one kind, and their bytes as one side has counted them. */
export interface Tally {
  connections: number;
  receivedBytes: number;
  sentBytes: number;
}

export function newTally(): Tally {
  return { connections: 0, receivedBytes: 0, sentBytes: 0 };
}

/** The first byte of a connection says what its client is going to do. */
export const KIND = {
  /** It stays until all its bytes are back. */
  whole: 0x77,
  /** It resets before. */
  broken: 0x62,
} as const;

/** What clients have done. */
export class Ledger {
  /** Connections by what their clients did. */
  readonly behaviours = new Map<string, number>();
  /** Of clients that stayed until all was back, byte by byte. */
  readonly whole: Tally = newTally();
  /** Of clients that did not: the server may have read less than they sent. */
  readonly broken: Tally = newTally();
  /** Connections without a byte. */
  empty = 0;
  /** Datagrams and their bytes, each of which came back. */
  datagrams = 0;
  datagramBytes = 0;
  readonly failures: string[] = [];

  count(behaviour: string): void {
    this.behaviours.set(behaviour, (this.behaviours.get(behaviour) ?? 0) + 1);
  }

  /** Connections of all kinds. */
  get connections(): number {
    return this.whole.connections + this.broken.connections + this.empty;
  }
}

/** What a server has counted. */
export interface Account {
  /** All connections. */
  readonly all: Tally;
  /** Those of the two kinds, where the server tells them apart. */
  readonly kinds: { readonly whole: Tally; readonly broken: Tally } | null;
  /** Datagrams that it has received, and answered; null without such a socket. */
  readonly datagrams: { readonly received: number; readonly sent: number } | null;
}

/** What does not agree between clients and server, a sentence each. */
export function disagreements(ledger: Ledger, { all, kinds, datagrams }: Account): string[] {
  const faults: string[] = [];
  const compare = (what: string, client: number, server: number): void => {
    if (client !== server) faults.push(`${what}: ${client} of clients, ${server} of the server`);
  };
  compare('connections', ledger.connections, all.connections);
  const { whole, broken } = ledger;
  const exact = kinds?.whole ?? (broken.connections === 0 ? all : null);
  if (exact !== null) {
    compare('bytes to the server', whole.sentBytes, exact.receivedBytes);
    compare('bytes of the server', whole.receivedBytes, exact.sentBytes);
  }
  if (kinds !== null && kinds.broken.receivedBytes > broken.sentBytes) {
    const { receivedBytes } = kinds.broken;
    faults.push(`broken connections: ${receivedBytes} bytes received of ${broken.sentBytes}`);
  }
  if (datagrams !== null) {
    compare('datagrams to the server', ledger.datagrams, datagrams.received);
    compare('datagrams of the server', ledger.datagrams, datagrams.sent);
  }
  return faults;
}
