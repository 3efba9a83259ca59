import type { PlantedFile } from './planted-file.ts';

/** The load client: its slots and threads, what it reports and how it judges; measurements. */
export const loadClient: readonly PlantedFile[] = [
  {
    kind: 'a message of a slot',
    path: 'dist/tools/load/engine/connection-slot.js',
    changes: [
      ['this.#partial = 0; this.#left', 'this.#left'],
      ['this.#owedBytes = 0; this.#partial', 'this.#partial'],
      [
        'if (this.#lost) recorder.replaced(this.#owner.stamp()); this.#lost = false;',
        'if (this.#lost) recorder.replaced(this.#owner.stamp());',
      ],
      ['length > this.#owedBytes ||', ''],
      ['this.#owner.owed -= count;', 'this.#owner.owed -= 1;'],
      ['this.#pauseMs = 0; if (isOpen)', 'if (isOpen)'],
      ['this.#left === 0 && messages.awaited === 0', 'this.#left === 0'],
      ['nowMs - messages.sentMs >= timeoutMs)', 'nowMs - messages.dueMs >= timeoutMs)'],
      ["error !== null && error.code !== 'EPIPE'", 'error !== null'],
      ['this.#left === 0 && !this.isIdle', 'this.#left === 0'],
      ['if (nowMs >= this.#owner.recorder.endMs) return;', ''],
      ['inFlightMax - messages.awaited', 'inFlightMax'],
      ['if (connection !== this.#connection) return; // EPIPE', '// EPIPE'],
    ],
  },
  {
    kind: 'a message of a slot',
    path: 'dist/tools/load/engine/in-flight.js',
    changes: [
      ['if (this.#sent < this.#taken) this.#sent = this.#taken;', ''],
      ['let at = this.#taken; at < this.#put', 'let at = this.#sent; at < this.#put'],
    ],
  },
  {
    kind: 'a figure of a thread',
    path: 'dist/tools/load/engine/shared-state.js',
    changes: [
      [
        'thread * THREAD_NUMBERS + ERRORS] = errors',
        'thread * THREAD_NUMBERS + MESSAGES] = errors',
      ],
      ['Atomics.store(this.#words, at, FREE);', ''],
      [
        'const at = WORDS + thread * THREAD_WORDS + WAKE_LOCK; // A wake',
        'const at = WORDS + WAKE_LOCK; // A wake',
      ],
    ],
  },
  {
    kind: 'a figure of a thread',
    path: 'dist/tools/load/engine/slot-connects.js',
    changes: [
      ['this.#underWay < CONNECTS_AT_ONCE', 'this.#underWay <= CONNECTS_AT_ONCE'],
      ['(made + thread) % addresses', 'made % addresses'],
      ['last - first + 1 - thread', 'last - first - thread'],
      ['Math.floor(made / addresses) % own', 'made % own'],
      ["if (error.code === 'ETIMEDOUT') return 'connectTimeout';", ''],
    ],
  },
  {
    kind: 'a figure of a thread',
    path: 'dist/tools/load/engine/turn-watch.js',
    changes: [
      ['if (this.#firstMs === 0) this.#firstMs = nowMs;', 'this.#firstMs = nowMs;'],
      ['wokeMs - wakeMs > OVERSLEPT_MS_MIN', 'wokeMs - wakeMs > 0'],
      ['Math.min(toMs, this.#endMs)', 'toMs'],
    ],
  },
  {
    kind: 'a figure of a thread',
    path: 'dist/tools/load/engine/cpu-watch.js',
    changes: [
      ['after.periods - before.periods', 'after.periods'],
      ['nowMs >= startMs', 'true'],
    ],
  },
  {
    kind: 'a figure of the document',
    path: 'dist/tools/load/result/run-document.js',
    changes: [
      ['of(one).lost[kind]', 'of(one).errors[kind]'],
      [
        'receivedBytes: sumOf(results, ({ receivedBytes }) => receivedBytes)',
        'receivedBytes: sumOf(results, ({ sentBytes }) => sentBytes)',
      ],
      ['perSecond(replies)', 'perSecond(messages)'],
      ['percentileNs(lag, 99)', 'percentileNs(lag, 95)'],
      ['two.periods - one.periods', 'one.periods - two.periods'],
      ['0.01 * Math.max(lag.total, connectionWait.total)', '0.01 * connectionWait.total'],
      ['sumOf(results, ({ awaitingEnd }) => awaitingEnd)', 'results[0].awaitingEnd'],
      ['Math.max(...results.map((result) => result.measuredMs))', 'results[0].measuredMs'],
      ['({ warmup }) => warmup', '({ trouble }) => trouble'],
      ['cpuMs / results.length', 'cpuMs'],
    ],
  },
  {
    kind: 'a limit of the verdict',
    path: 'dist/tools/load/result/verdict.js',
    changes: [
      ['silence.durationMs < OUTAGE_MS_MIN', 'silence.durationMs <= OUTAGE_MS_MIN'],
      ['turnMaxMs > durationMs / 2', 'turnMaxMs >= durationMs / 2'],
      ['waitUs <= CONNECTION_WAIT_US_MAX', 'waitUs < CONNECTION_WAIT_US_MAX'],
      ['RATE_ERROR_MAX * due + MESSAGES_AT_EDGES', 'RATE_ERROR_MAX * due'],
      ['failed >= missing - allowed', 'failed >= missing'],
      [
        'notClosed > UNENDED_SHARE_MAX * counts.messages',
        'notClosed >= UNENDED_SHARE_MAX * counts.messages',
      ],
      ['startLateMs > START_LATE_MS_MAX', 'startLateMs >= START_LATE_MS_MAX'],
      ['percentile === 50', 'percentile === 99'],
      ['silence !== null || unended.length > 0', 'silence !== null'],
    ],
  },
  {
    kind: 'a limit of the verdict',
    path: 'dist/tools/load/result/verdict-generator.js',
    changes: [
      ['cpuShare > CPU_SHARE_MAX', 'cpuShare >= CPU_SHARE_MAX'],
      ['oversleptShare - (waitedShare ?? 0)', 'oversleptShare'],
      ['turnMs <= TURN_MS_MAX', 'turnMs < TURN_MS_MAX'],
      ['percentile === 99', 'percentile === 50'],
      ['lagUs <= LAG_US_MAX && lagUs', 'lagUs'],
      ['ms > THROTTLED_SHARE_MAX * measuredMs', 'ms >= THROTTLED_SHARE_MAX * measuredMs'],
      ['threads.length > cores', 'threads.length >= cores'],
      ['busy && perSecond > BUSY_RATE_MIN', 'perSecond > BUSY_RATE_MIN'],
    ],
  },
  {
    kind: 'a measurement',
    path: 'dist/tools/measure/quartiles.js',
    changes: [
      ['(sorted.length - 1) * at', 'sorted.length * at'],
      ['values.toSorted((a, b) => a - b)', 'values.toSorted()'],
    ],
  },
  {
    kind: 'a measurement',
    path: 'dist/tools/measure/timed-slice.js',
    changes: [
      ['waitedUs: after.waitedUs - before.waitedUs', 'waitedUs: after.waitedUs'],
      ['systemUs: after.systemUs - before.systemUs', 'systemUs: after.userUs - before.userUs'],
    ],
  },
  {
    kind: 'a measurement',
    path: 'dist/tools/measure/process-facts.js',
    changes: [
      ['text.lastIndexOf(mark)', 'text.indexOf(mark)'],
      ['system: Number(fields[12])', 'system: Number(fields[13])'],
      ['ns += ran;', 'ns = ran;'],
    ],
  },
  {
    kind: 'a measurement',
    path: 'dist/tools/measure/process-clock.js',
    changes: [
      ['Number(days) * 86_400', 'Number(days) * 3600'],
      ['sum * 60 + part', 'sum * 100 + part'],
      ['Number(ask(pid)[2]) * 1024', 'Number(ask(pid)[2])'],
    ],
  },
  {
    kind: 'a measurement',
    path: 'dist/tools/measure/listening-ports.js',
    changes: [
      ['Number(one) - Number(two)', 'Number(two) - Number(one)'],
      ["['tcp', 'tcp6']", "['tcp']"],
      ['if (state !== LISTEN) continue;', ''],
    ],
  },
  {
    kind: 'a measurement',
    path: 'dist/tools/measure/cores.js',
    changes: [['{ length: last - first + 1 }', '{ length: last - first }']],
  },
];
