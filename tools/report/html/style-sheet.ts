/** The style of the pages: any width, light and dark, paper. */

/**
 * Every text has a contrast of 4.5 to what is below it, every line and bar one of 3. The colours of
 * the series stay apart for people who do not see red, green or blue.
 */
const LIGHT = `
  --page: #f5f6f8; --surface: #ffffff; --rule: #dfe3e8; --grid: #e9ecf0;
  --ink: #17202b; --muted: #55606e; --accent: #0a5fb4; --accent-soft: #5a99d4;
  --good: #0f6a43; --good-soft: #e5f3eb; --bad: #a32a0e; --bad-soft: #fcebe6;
  --series-0: #0a5fb4; --series-1: #c24a00; --series-2: #307d54; --series-3: #973783;
  --series-4: #724700; --series-5: #2b3440; --series-6: #0a8fae;
  --heat-0: #d5e5f6; --heat-1: #a3c9ee; --heat-2: #5b9fdd; --heat-3: #1f6bb5; --heat-4: #0b3564;`;
const DARK = `
  --page: #11161c; --surface: #181f27; --rule: #2c3641; --grid: #262f39;
  --ink: #e8ecf1; --muted: #a4afbc; --accent: #74b8f8; --accent-soft: #3a6ea5;
  --good: #7fdcab; --good-soft: #13291f; --bad: #ff9f87; --bad-soft: #351b15;
  --series-0: #74b8f8; --series-1: #f8965b; --series-2: #62e7b0; --series-3: #d49fbc;
  --series-4: #edc750; --series-5: #e4eefa; --series-6: #8691a0;
  --heat-0: #1c3a57; --heat-1: #225c90; --heat-2: #3487c8; --heat-3: #82c1f5; --heat-4: #e6f4ff;`;

const COLOURS = `
:root { color-scheme: light dark;${LIGHT} }
@media screen and (prefers-color-scheme: dark) { :root:not(.printing) {${DARK} } }
:root.printing { color-scheme: light; }
`;

const TEXT = `
*, *::before, *::after { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--ink); overflow-wrap: break-word;
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
}
main {
  max-width: 62rem; margin: 0 auto; padding: clamp(1.5rem, 6vw, 4.5rem) clamp(1rem, 4vw, 2rem);
}
h1, h2 { line-height: 1.2; letter-spacing: -.015em; text-wrap: balance; }
h1 { margin: .25rem 0 .75rem; font-size: clamp(1.75rem, 5vw, 2.6rem); font-weight: 680; }
h2 { margin: 0 0 .4rem; font-size: 1.4rem; font-weight: 650; }
p { margin: 0 0 1rem; }
section { margin-top: 4.5rem; }
a { color: var(--accent); text-underline-offset: .2em; }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 3px; border-radius: 4px; }
code { font: .9em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; }
.command { margin: 0; color: var(--accent); font-weight: 600; letter-spacing: .01em; }
.summary, .sentence { color: var(--muted); max-width: 46rem; }
.summary { font-size: 1.05rem; }
.summary span { display: inline-block; }
.summary span:not(:last-child)::after { content: " \\b7"; white-space: pre; }
footer {
  margin-top: 5rem; padding-top: 1.5rem; border-top: 1px solid var(--rule); color: var(--muted);
  font-size: .9rem;
}
footer a { margin-right: .75rem; font-weight: 600; }
`;

const FACTS = `
.verdict {
  display: grid; grid-template-columns: auto 1fr; gap: 0 1rem; margin: 2rem 0 0;
  padding: 1.25rem 1.5rem; border-radius: 12px;
  border: 1px solid currentColor; color: var(--good); background: var(--good-soft);
}
.verdict.bad { color: var(--bad); background: var(--bad-soft); }
.verdict.even { color: var(--ink); background: var(--surface); }
.verdict svg {
  width: 1.75rem; height: 1.75rem; margin-top: .1rem; fill: none; stroke: currentColor;
  stroke-width: 2; stroke-linecap: round; stroke-linejoin: round;
}
.verdict h2 { margin: 0; font-size: 1.15rem; line-height: 1.9rem; }
.verdict p, .verdict ul { grid-column: 2; margin: .15rem 0 0; color: var(--ink); }
.verdict ul { padding-left: 1.1rem; }
.key-figures {
  display: grid; grid-template-columns: repeat(auto-fit, minmax(min(9.25rem, 100%), 1fr));
  gap: 1.75rem 1.5rem; margin: 2.5rem 0 0;
}
.key-figures div { border-top: 2px solid var(--rule); padding-top: .6rem; }
.key-figures div:first-child { border-color: var(--accent); }
.key-figures dt { color: var(--muted); font-size: .875rem; }
.key-figures dd { margin: 0; font-variant-numeric: tabular-nums; }
.key-figures dd:first-of-type {
  font-size: 1.65rem; font-weight: 620; letter-spacing: -.02em; line-height: 1.35;
}
.key-figures dd.beside { color: var(--muted); font-size: .875rem; }
`;

const TABLES = `
.scroll {
  overflow-x: auto; margin: 1rem 0 0; max-width: 100%;
  background:
    linear-gradient(270deg, var(--page) 60%, transparent) 100% 0 / 2rem 100% no-repeat local,
    linear-gradient(270deg, var(--muted), transparent) 100% 0 / .4rem 100% no-repeat scroll;
}
.scroll th:first-child { position: sticky; left: 0; background: var(--page); }
table {
  border-collapse: collapse; min-width: 100%; font-size: .9rem;
  font-variant-numeric: tabular-nums;
}
caption {
  text-align: left; color: var(--muted); padding: 0 0 .5rem;
  max-width: calc(100vw - 2rem); position: sticky; left: 0;
}
th, td { padding: .45rem .9rem .45rem 0; text-align: left; vertical-align: top; }
th:last-child, td:last-child { padding-right: .25rem; }
thead th {
  color: var(--muted); font-weight: 600; vertical-align: bottom;
  border-bottom: 1px solid var(--muted);
}
tbody th { font-weight: 500; }
tbody tr { border-bottom: 1px solid var(--rule); }
.number { text-align: right; white-space: nowrap; }
thead .number { white-space: normal; }
details { margin-top: 1rem; }
summary {
  width: fit-content; cursor: pointer; color: var(--accent); font-weight: 550; padding: .25rem 0;
}
`;

const CHARTS = `
figure {
  margin: 1.5rem 0 0; padding: 1.25rem 1.5rem 1rem; background: var(--surface);
  border: 1px solid var(--rule); border-radius: 14px;
}
.legend {
  display: flex; flex-wrap: wrap; gap: .35rem 1.5rem; margin: 0 0 1.1rem; padding: 0;
  list-style: none; font-size: .9rem;
}
.legend li { display: flex; align-items: center; gap: .55rem; }
.swatch { width: 38px; height: 14px; flex: none; }
.swatch path { fill: currentColor; }
.swatch .line { stroke: currentColor; stroke-width: 2; fill: none; }
.ramp {
  width: 72px; height: 12px; border-radius: 3px; flex: none; print-color-adjust: exact;
  background: linear-gradient(90deg, var(--heat-0), var(--heat-1), var(--heat-2), var(--heat-3),
    var(--heat-4));
}
.axis {
  display: flex; justify-content: space-between; margin: 0; color: var(--muted);
  font-size: .8rem;
}
.axis.across { justify-content: flex-end; padding-right: 18px; }
.plot { min-height: 260px; }
.plot:focus-visible { outline-offset: 0; }
.plot .u-cursor-x { border-color: var(--muted); }
.plot .u-over { cursor: crosshair; }
.readout {
  display: flex; flex-wrap: wrap; gap: 0 1.25rem; min-height: 3.2em; margin: .9rem 0 0;
  padding-top: .6rem; border-top: 1px solid var(--rule); color: var(--muted);
  font-size: .875rem; font-variant-numeric: tabular-nums;
}
.readout b { color: var(--ink); font-weight: 600; }
`;

const BARS = `
.groups { display: grid; gap: 2rem; }
.bars { table-layout: fixed; width: 100%; font-size: .95rem; }
.bars caption { color: var(--ink); font-weight: 600; }
.bars thead {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
.bars tr { border: 0; }
.bars th, .bars td { padding: .3rem .9rem .3rem 0; vertical-align: middle; }
.bars .name { width: 6.5rem; }
.bars th { white-space: nowrap; }
.bars .value { width: 7rem; text-align: right; padding-right: 0; white-space: nowrap; }
.bars tr.best th, .bars tr.best .value { font-weight: 680; }
.bar { position: relative; display: flex; height: 20px; }
.bar i { display: block; height: 100%; background: var(--series-0); print-color-adjust: exact; }
.bar i:first-child { border-radius: 3px 0 0 3px; }
.bar i:last-of-type { border-radius: 0 3px 3px 0; }
.bar i:only-of-type { border-radius: 3px; }
.bars tr:not(.best) .bar i:only-of-type { background: var(--accent-soft); }
.bar i.soft { background: var(--accent-soft); }
.bar s {
  position: absolute; top: 50%; height: 8px; margin-top: -4px; border: solid var(--ink);
  border-width: 0 1.5px;
  filter: drop-shadow(0 0 1px var(--surface)) drop-shadow(0 0 1px var(--surface));
}
.bar s::before {
  content: ""; position: absolute; left: 0; right: 0; top: 3px;
  border-top: 1.5px solid var(--ink);
}
.key {
  width: 20px; height: 12px; border-radius: 3px; background: var(--series-0);
  print-color-adjust: exact;
}
.key.soft { background: var(--accent-soft); }
`;

const NARROW = `
@media (max-width: 34rem) {
  section { margin-top: 3.5rem; }
  figure { margin-inline: -.5rem; padding: 1rem .75rem .75rem; }
  .verdict { padding: 1rem; gap: 0 .75rem; }
  .key-figures { grid-template-columns: 1fr 1fr; gap: 1.25rem 1rem; }
  .scroll th, .scroll td { padding-right: .5rem; }
  .scroll table { font-size: .8rem; }
  .bars { font-size: .875rem; }
  .bars .name { width: 5rem; }
  .bars .value { width: 4.75rem; }
}
`;

/** Paper: nothing scrolls, nothing is folded, and sections are kept together. */
const PAPER = `
@media print {
  @page { margin: 15mm; }
  :root { font-size: 80%; }
  body { background: #ffffff; font-size: 10pt; }
  main { max-width: none; padding: 0; }
  section { margin-top: 2.25rem; }
  figure, .verdict, .key-figures, .bars, .together { break-inside: avoid; }
  .key-figures { grid-template-columns: repeat(auto-fit, minmax(6.5rem, 1fr)); gap: 1rem; }
  figure { padding: .75rem; }
  h2, .sentence, summary, caption { break-after: avoid; }
  tr, p, caption { break-inside: avoid; }
  tbody tr:nth-child(-n+2) { break-before: avoid; }
  thead { display: table-header-group; }
  .scroll { overflow: visible; background: none; }
  .scroll th:first-child { background: none; }
  table { font-size: 8.5pt; }
  th, td { padding: .2rem .5rem .2rem 0; }
  .bars th, .bars td { padding: .1rem .5rem .1rem 0; }
  .bar { height: 15px; }
  .bar s { filter: none; }
  .groups { gap: 1rem; }
  .readout, #save { display: none; }
}
/* While a page is made ready for paper it still has the width of the window. */
.printing .plot { width: 640px; max-width: 100%; }
`;

export const styleSheet = [COLOURS, TEXT, FACTS, TABLES, CHARTS, BARS, NARROW, PAPER].join('');
