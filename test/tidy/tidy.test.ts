// Goal: the rules of the house hold, and a rule that cannot fire is noticed.
// Method: each rule runs over samples that it must refuse or let pass, then over the project.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadProject, projectOf, type Rule, type Sample } from './project.ts';
import { rules } from './rules.ts';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const project = loadProject(root);

function violations(rule: Rule, sample: Sample): string[] {
  return [...rule.check(projectOf(sample))].map(({ path, line, message }) => {
    return `${path}:${line}: ${rule.name}: ${message}`;
  });
}

test('tidy: the project was found', () => {
  assert.ok(project.sources.has('src/sys/sys.ts'));
  assert.ok(project.sources.has('test/tidy/tidy.test.ts'));
});

for (const rule of rules) {
  test(`tidy: the rule "${rule.name}" tells its samples apart`, () => {
    assert.ok(rule.bad.length > 0 && rule.good.length > 0, 'a rule needs both kinds of sample');
    for (const sample of rule.bad) {
      assert.notDeepEqual(violations(rule, sample), [], `must refuse ${JSON.stringify(sample)}`);
    }
    for (const sample of rule.good) {
      assert.deepEqual(violations(rule, sample), [], `must let pass ${JSON.stringify(sample)}`);
    }
  });

  test(`tidy: ${rule.name}`, () => {
    const found = [...rule.check(project)];
    const report = found.map(({ path, line, message }) => `${path}:${line}: ${message}`);
    assert.equal(report.length, 0, `\n${report.join('\n')}`);
  });
}
