// The whole report as one HTML file that needs nothing else: no script, no font, no request. It must make sense to
// somebody who has never seen a range.

import { machine } from '../lib/report.ts';
import { busiest, HEAT_STEPS, markAt, nodeClass, phasePicture } from './panels.ts';
import { escaped, shortNumber } from './picture.ts';
import type { HeatFigure, HeatPhase, HeatRecording } from './recording.ts';
import { STYLE } from './style.ts';

export function heatReport(recording: HeatRecording): string {
  const { title, subtitle, phases } = recording;
  const { cpu, cores, memoryGiB, os, node } = machine();
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<h1>${escaped(title)}</h1>
<p class="subtitle">${escaped(subtitle)}</p>
</header>
${guide()}
${phases.length > 1 ? contents(phases) : ''}
${phases.map(section).join('\n')}
<footer>Measured on ${escaped(`${cpu}, ${cores} cores, ${memoryGiB} GiB, ${os}, Node.js ${node}`)}: nodes and clients shared them.</footer>
</main>
</body>
</html>
`;
}

function guide(): string {
  const shape = (kind: Parameters<typeof markAt>[0]): string =>
    `<svg class="shape" viewBox="0 0 16 16">${markAt(kind, 8, 8, kind)}</svg>`;
  return `<section class="guide">
<h2>How to read it</h2>
<p>A table is cut into <b>ranges</b> of neighbouring keys. Each range is kept by several nodes, and one of them
<b>leads</b> it: reads and writes of its rows go there. A range with too much to do is split, and the pieces are led by
different nodes; so a busy table ends up on all of them. The pictures have time from left to right and the table's keys
from bottom to top; thin lines are the bounds of ranges. A range that is split becomes paler, for each piece has only a
part of its work: a table that is busy everywhere ends up evenly pale, led by all nodes alike.</p>
<ul>
<li>${shape('split')} a range was split at this key</li>
<li>${shape('lease')} another node leads the range from here on</li>
<li>${shape('merge')} two ranges became one</li>
<li>${shape('replica')} a copy of the range moved to another node</li>
</ul>
</section>`;
}

function contents(phases: readonly HeatPhase[]): string {
  const links = phases.map(
    ({ name }, i) => `<li><a href="#phase-${i + 1}">${escaped(name)}</a>${verdict(phases[i])}</li>`,
  );
  return `<nav><ol>${links.join('')}</ol></nav>`;
}

function verdict(phase: HeatPhase | undefined): string {
  const missed = (phase?.figures ?? []).filter(({ isReached }) => isReached === false).length;
  const judged = (phase?.figures ?? []).filter(({ isReached }) => isReached !== undefined).length;
  if (judged === 0) return '';
  return missed === 0
    ? ' <span class="reached">all goals reached</span>'
    : ` <span class="missed">${missed} of ${judged} goals missed</span>`;
}

function section(phase: HeatPhase, index: number): string {
  return `<section class="phase" id="phase-${index + 1}">
<h2>${escaped(phase.name)}</h2>
<p>${escaped(phase.story)}</p>
<div class="figures">${phase.figures.map(figure).join('')}</div>
${legend(phase)}
<div class="picture">${phasePicture(phase)}</div>
</section>`;
}

function figure({ label, value, goal, isReached }: HeatFigure): string {
  const state = isReached === undefined ? '' : isReached ? 'reached' : 'missed';
  const sign = isReached === undefined ? '' : isReached ? '✓ ' : '✗ ';
  return `<div class="figure"><div class="value">${escaped(value)}</div><div class="what">${escaped(label)}</div>${
    goal === undefined ? '' : `<div class="goal ${state}">${sign}${escaped(goal)}</div>`
  }</div>`;
}

function legend(phase: HeatPhase): string {
  const most = busiest(phase);
  const steps = Array.from({ length: HEAT_STEPS }, (_, i) => `<i class="swatch h${i}"></i>`).join(
    '',
  );
  const nodes = phase.nodes
    .map((node) => `<span class="key"><i class="swatch ${nodeClass(node)}"></i>node ${node}</span>`)
    .join('');
  return `<div class="legend"><span class="key">0 ${steps} ${shortNumber(most)} requests/s in one range</span>${nodes}</div>`;
}
