// Goal: a table gives the right address for every sockaddr, and keeps those that were new last.
// Method: random peers against their own bytes, and each new peer behind another new one.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Random } from '#src/base/random.js';
import { AddressTable } from '#src/net/datagram/address-table.js';
import type { DatagramAddress } from '#src/net/datagram/datagram-address.js';
import { abiFor } from '#src/sys/abi/index.js';
import { encodeSockaddr, SOCKADDR_BYTES_MAX } from '#src/sys/sockaddr.js';

const abi = abiFor('linux', 'x64');
assert.ok(abi !== null);

interface Peer {
  readonly host: string;
  readonly port: number;
}

/** A table, and memory in which sockaddrs lie anywhere. */
function tableOf() {
  const memory = new Uint8Array(4096);
  const words = new Int32Array(memory.buffer);
  const table = new AddressTable(abi as NonNullable<typeof abi>);
  const encoded = new Uint8Array(SOCKADDR_BYTES_MAX);
  let at = 0;
  return ({ host, port }: Peer): DatagramAddress => {
    const family = host.includes(':') ? 'IPv6' : 'IPv4';
    encoded.fill(0);
    const address = { family, address: host, port } as Parameters<typeof encodeSockaddr>[1];
    const length = encodeSockaddr(abi as NonNullable<typeof abi>, address, encoded);
    at = (at + 128) % 3968;
    memory.fill(0xee);
    memory.set(encoded.subarray(0, length), at);
    return table.find(memory, words, at, length);
  };
}

const ipv4 = (number: number): Peer => ({
  host: `10.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`,
  port: 1 + (number % 50_000),
});

test('address table: every peer is itself, also where many share a place', () => {
  const find = tableOf();
  const random = new Random(1, 'peers');
  for (let round = 0; round < 20_000; round += 1) {
    const number = random.below(5000);
    const last = (number + 1).toString(16);
    const peer = round % 3 === 0 ? { host: `fd00::${last}`, port: 7 } : ipv4(number);
    const { host, port } = find(peer);
    assert.deepEqual({ host, port }, peer);
  }
});

test('address table: one byte tells two peers apart, wherever it is', () => {
  const find = tableOf();
  const peers = ['10.0.0.1', '10.0.0.2', '10.0.1.1', '11.0.0.1', '10.1.0.1'].flatMap((host) =>
    [1, 2, 256, 257].map((port) => ({ host, port })),
  );
  for (const number of [1, 2, 256, 0xff00]) {
    peers.push({ host: `fd00::${number.toString(16)}:0`, port: 1 });
    peers.push({ host: `fd00::${number.toString(16)}`, port: 1 });
  }
  for (const _round of [1, 2]) {
    for (const peer of peers) {
      const { host, port } = find(peer);
      assert.deepEqual({ host, port }, peer);
    }
  }
});

test('address table: the last two that were new are known, and the memory has a bound', () => {
  const find = tableOf();
  const held: { readonly peer: Peer; readonly address: DatagramAddress }[] = [];
  const random = new Random(2, 'peers');
  for (let number = 0; number < 20_000; number += 1) {
    // New ones, for the port rises.
    const peer = { ...ipv4(random.below(2 ** 24)), port: 1 + number };
    const address = find(peer);
    assert.equal(find(peer), address, 'a known peer allocates nothing');
    const before = held.at(-1);
    if (before !== undefined) assert.equal(find(before.peer), before.address, `${number}`);
    held.push({ peer, address });
  }
  // What is not known any more takes the place of another one.
  const known = held.toReversed().filter(({ peer, address }) => find(peer) === address);
  assert.ok(known.length > 100 && known.length <= 1024, `${known.length} are known`);
});
