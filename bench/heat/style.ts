// The report's style sheet: one set of names for colours, with values for light and dark.

const LIGHT_HEAT = [
  '#f6f1e6',
  '#f9e4c3',
  '#fbd199',
  '#f8b66c',
  '#f19645',
  '#e3742e',
  '#cb5321',
  '#a83819',
  '#7f2313',
  '#521109',
];
const DARK_HEAT = [
  '#211d19',
  '#33241b',
  '#4b2b1c',
  '#69331d',
  '#8c3e1e',
  '#b04d21',
  '#d2672e',
  '#ea8b4b',
  '#f7b57d',
  '#fde4c2',
];
const LIGHT_NODES = ['#3d6fd1', '#e08a2c', '#2c9b74', '#a24ea6', '#8a6d3b', '#5f6b76'];
const DARK_NODES = ['#6f9bf0', '#f0a555', '#4fbf97', '#c77ccb', '#b59762', '#93a0ac'];

function variables(heat: readonly string[], nodes: readonly string[]): string {
  return [
    ...heat.map((colour, i) => `--h${i}:${colour};`),
    ...nodes.map((colour, i) => `--node-${i + 1}:${colour};`),
  ].join('');
}

function classes(): string {
  const heat = LIGHT_HEAT.map((_, i) => `.h${i}{fill:var(--h${i});background:var(--h${i})}`);
  const nodes = LIGHT_NODES.map(
    (_, i) =>
      `rect.node-${i + 1},i.node-${i + 1}{fill:var(--node-${i + 1});background:var(--node-${i + 1})}path.node-${i + 1}{stroke:var(--node-${i + 1})}`,
  );
  return [...heat, ...nodes].join('\n');
}

export const STYLE: string = `
:root{--paper:#fdfcfa;--card:#ffffff;--ink:#22201d;--soft:#6d675f;--rule:#e4dfd7;--accent:#3d6fd1;--good:#1f7a4d;--bad:#b3321f;--edge:#ffffff;${variables(LIGHT_HEAT, LIGHT_NODES)}}
@media (prefers-color-scheme:dark){:root{--paper:#161412;--card:#1d1b18;--ink:#ece7df;--soft:#a39b90;--rule:#36322d;--accent:#6f9bf0;--good:#5fc08f;--bad:#f0806c;--edge:#161412;${variables(DARK_HEAT, DARK_NODES)}}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:40px 24px 64px}
h1{font-size:30px;line-height:1.2;margin:0 0 6px;letter-spacing:-.01em}
h2{font-size:20px;margin:0 0 8px}
p{margin:0 0 12px;max-width:76ch}
.subtitle{color:var(--soft);font-size:17px}
.guide,nav,.phase{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:22px 26px;margin:22px 0}
.guide ul{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:6px 26px;color:var(--soft);font-size:14.5px}
.guide li{display:flex;align-items:center;gap:8px}
.shape{width:18px;height:18px;flex:none}
nav ol{margin:0;padding-left:22px}
nav a{color:var(--accent);text-decoration:none}
nav a:hover{text-decoration:underline}
.reached{color:var(--good);font-size:13.5px}.missed{color:var(--bad);font-size:13.5px}
.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));gap:14px 22px;margin:16px 0 18px}
.figure{border-left:3px solid var(--rule);padding-left:12px}
.figure .value{font-size:22px;font-weight:600;font-variant-numeric:tabular-nums;line-height:1.25}
.figure .what{color:var(--soft);font-size:13.5px;line-height:1.35}
.figure .goal{font-size:12.5px;line-height:1.35;margin-top:2px;color:var(--soft)}
.figure .goal.reached{color:var(--good)}.figure .goal.missed{color:var(--bad)}
.legend{display:flex;flex-wrap:wrap;gap:4px 22px;font-size:13.5px;color:var(--soft);margin:0 0 6px;align-items:center}
.key{display:inline-flex;align-items:center;gap:3px}
.swatch{display:inline-block;width:14px;height:14px;border-radius:2px}
.legend .key .swatch+.swatch{margin-left:-3px;border-radius:0}
.picture{overflow-x:auto}
svg{display:block;width:100%;height:auto;font:12px system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
.picture svg{min-width:720px}
svg text{fill:var(--ink)}
.panel-title{font-size:13.5px;font-weight:600}
.label,.axis-name{fill:var(--soft)}
.end{text-anchor:end}.middle{text-anchor:middle}
.frame{fill:none;stroke:var(--rule)}
.grid{stroke:var(--rule);stroke-width:.8}
.tick{stroke:var(--soft);stroke-width:.8}
.boundary{stroke:var(--edge);stroke-width:.9;fill:none}
.mark{fill:var(--card);stroke:var(--ink);stroke-width:1.3}
.mark.merge{fill:var(--ink)}
.series{fill:none;stroke-width:2;stroke-linejoin:round}
.series.throughput{stroke:var(--ink)}.series.latency{stroke:var(--bad)}
.nobody{fill:var(--rule)}
.moment{stroke:var(--ink);stroke-width:1;stroke-dasharray:4 3}
.moment-label{font-size:12px;font-weight:600}
footer{color:var(--soft);font-size:13.5px}
@media print{body{background:#fff}.phase{break-inside:avoid}}
${classes()}
`;
