/** The rules of the house, all of them. */

import { importRules } from './import-rules.ts';
import type { Rule } from './project.ts';
import { shapeRules } from './shape-rules.ts';
import { skips } from './test-rules.ts';
import { wordRules } from './word-rules.ts';

export const rules: readonly Rule[] = [...importRules, ...wordRules, ...shapeRules, skips];
