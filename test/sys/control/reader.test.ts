// Goal: the reader of control messages finds what is there, and nothing beyond their end, however
// the kernel has cut them off, or whoever made them lies about their lengths.
// Method: two messages cut at each length, and wrong lengths, over six tables.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { abis } from '#src/sys/abi/index.js';
import { ControlReader } from '#src/sys/control/reader.js';
import { encodeControl } from '#src/sys/control-messages.js';
import { leakCheck } from '#test/harness/leaks.js';

/** Room in front of the messages and behind them. */
const MARGIN_BYTES = 64;
const HOPS_BYTES = 4;

for (const abi of abis) {
  const { IPPROTO_IPV6, IPV6_HOPLIMIT, IPV6_TCLASS } = abi.constants;
  const messages = encodeControl(abi, [
    { kind: 'IPV6_HOPLIMIT', hops: 7 },
    { kind: 'IPV6_TCLASS', dscp: 0, ecn: 3 },
  ]);
  const memory = new Uint8Array(MARGIN_BYTES + messages.length + MARGIN_BYTES);
  const words = new Int32Array(memory.buffer);
  const reader = new ControlReader(abi);
  const find = (type: number, length: number, dataBytes = HOPS_BYTES): number =>
    reader.find(words, MARGIN_BYTES, length, IPPROTO_IPV6, type, dataBytes);

  test(`control: what is cut off is not found: ${abi.platform}`, (t) => {
    leakCheck(t);
    memory.set(messages, MARGIN_BYTES);
    const hops = find(IPV6_HOPLIMIT, messages.length);
    const tclass = find(IPV6_TCLASS, messages.length);
    assert.deepEqual([words[hops >> 2], words[tclass >> 2]], [7, 3]);
    for (let length = 0; length <= messages.length; length++) {
      const end = MARGIN_BYTES + length;
      assert.equal(find(IPV6_HOPLIMIT, length), hops + HOPS_BYTES <= end ? hops : -1);
      assert.equal(find(IPV6_TCLASS, length), tclass + HOPS_BYTES <= end ? tclass : -1);
    }
    assert.equal(find(IPV6_HOPLIMIT, messages.length, HOPS_BYTES + 1), -1, 'it is shorter');
  });

  test(`control: a message without data is found, also at the very end: ${abi.platform}`, (t) => {
    leakCheck(t);
    const { size, fields } = abi.structs.cmsghdr;
    const align = abi.behaviours.controlAlignBytes;
    const headerBytes = Math.ceil(size / align) * align;
    memory.fill(0);
    const view = new DataView(memory.buffer, MARGIN_BYTES);
    view.setUint32(fields.cmsg_len.offset, headerBytes, true);
    view.setInt32(fields.cmsg_level.offset, IPPROTO_IPV6, true);
    view.setInt32(fields.cmsg_type.offset, IPV6_TCLASS, true);
    assert.equal(find(IPV6_TCLASS, headerBytes, 0), MARGIN_BYTES + headerBytes);
    assert.equal(find(IPV6_TCLASS, headerBytes - 1, 0), -1);
    assert.equal(find(IPV6_TCLASS, headerBytes), -1);
  });

  test(`control: a length that cannot be ends the search: ${abi.platform}`, (t) => {
    leakCheck(t);
    for (const length of [-1, 0, 1, 11, 0x7fff_ffff, -0x8000_0000, 1000]) {
      memory.set(messages, MARGIN_BYTES);
      words[(MARGIN_BYTES + abi.structs.cmsghdr.fields.cmsg_len.offset) >> 2] = length;
      assert.equal(find(IPV6_HOPLIMIT, messages.length), -1, `${length}`);
      assert.equal(find(IPV6_TCLASS, messages.length), -1, `${length}`);
    }
  });
}
