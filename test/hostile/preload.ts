// Imported ahead of a server (`node --import`), which handles two signals then.

import { CLOCK_STEPPING, INTERRUPTING } from './own-signals.ts';

const STEP_MS = 3_600_000;

let stepMs = 0;
const nowMs = Date.now;
Date.now = () => nowMs() + stepMs;

process.on(INTERRUPTING, () => undefined);
process.on(CLOCK_STEPPING, () => {
  stepMs = stepMs > 0 ? -STEP_MS : STEP_MS;
});
