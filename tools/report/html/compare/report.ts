import type { CompareDocument } from '../../../compare/document.ts';
import { chartSection } from '../chart-section.ts';
import { keyFigures } from '../key-figures.ts';
import { momentWords } from '../machine.ts';
import { grouped } from '../page/figures.ts';
import { page } from '../page-shell.ts';
import { barSections } from './bars.ts';
import { curveSection } from './curve.ts';
import {
  allFiguresSection,
  compareKeyFigures,
  methodSection,
  missingSection,
  winnerBanner,
} from './facts.ts';

/** A comparison of loops as one HTML file that needs nothing else: no network, no other file. */
export function compareReport(document: CompareDocument): string {
  const { plan, machine, startedAt } = document;
  const curve = [curveSection(document)].filter(({ data }) => data.xs.length > 0);
  const names = document.loops.flatMap(({ name, available }) => (available ? [name] : []));
  return page({
    title: 'Event loops compared - sockloop',
    command: 'sockloop compare',
    heading: 'One echo server, several ways of waiting',
    summary: [
      names.join(', '),
      `messages of ${grouped(plan.messageBytes)} bytes`,
      `on ${machine.hostname}, ${machine.cpu}`,
      `begun ${momentWords(startedAt)}`,
    ],
    body: [
      winnerBanner(document),
      keyFigures(compareKeyFigures(document)),
      ...barSections(document),
      ...curve.map(chartSection),
      allFiguresSection(document),
      missingSection(document),
      methodSection(document),
    ],
    charts: curve.map(({ data }) => data),
    document,
    fileName: `sockloop-compare-${startedAt.slice(0, 19).replaceAll(/[^\dT]/g, '')}.json`,
  });
}
