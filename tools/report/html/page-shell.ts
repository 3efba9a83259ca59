import { createHash } from 'node:crypto';
import { chartLibrary } from './chart-library.ts';
import { html, Markup, scriptJson } from './markup.ts';
import type { ChartData } from './page/chart-data.ts';
import { pageScript } from './page-script.ts';
import { styleSheet } from './style-sheet.ts';

/** What differs between pages. */
interface PageContent {
  readonly title: string;
  /** The command that made it, above the heading. */
  readonly command: string;
  readonly heading: string;
  /** What was measured, in a few words each. */
  readonly summary: readonly string[];
  readonly body: readonly Markup[];
  readonly charts: readonly ChartData[];
  /** What the page was made from, and the name it is saved under. */
  readonly document: unknown;
  readonly fileName: string;
}

/** A page that holds all it needs. Its policy forbids it to fetch anything. */
export function page(content: PageContent): string {
  const library = chartLibrary();
  const scripts = [library.script, pageScript(new URL('./page/main.js', import.meta.url))];
  const summary = content.summary.map((words) => html`<span>${words}</span> `);
  const { text } = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy(scripts)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="sockloop">
<title>${content.title}</title>
<link rel="icon" href="data:,">
<style>${new Markup(library.css)}
${new Markup(styleSheet)}</style>
</head>
<body>
<main>
<header>
<p class="command">${content.command}</p>
<h1>${content.heading}</h1>
<p class="summary">${summary}</p>
</header>
${content.body.map((part) => html`${part}\n`)}
<footer>
<p><a id="save" download="${content.fileName}" hidden>Save the JSON</a> All figures of this
page, and more, are in it. The charts are drawn by uPlot.</p>
</footer>
</main>
<script type="application/json" id="document">${scriptJson(content.document)}</script>
<script type="application/json" id="charts">${scriptJson(content.charts)}</script>
${scripts.map((script) => html`<script>${new Markup(script)}</script>\n`)}</body>
</html>
`;
  return text;
}

/** Nothing is fetched, and no script runs but these. Throws for a script that would end early. */
function policy(scripts: readonly string[]): string {
  const hashes = scripts.map((script) => {
    if (/<\/script|<!--/i.test(script)) throw new Error('a script cannot hold </script or <!--');
    return `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
  });
  return [
    "default-src 'none'",
    `script-src ${hashes.join(' ')}`,
    "style-src 'unsafe-inline'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
}
