// The pieces of which pictures are made: scales, axes, marks, as SVG text. Colours are classes, so that the report's
// style sheet decides them for light and dark.

export const WIDTH = 1000;
export const LEFT = 92;
const RIGHT = 16;
export const PLOT_WIDTH: number = WIDTH - LEFT - RIGHT;

export function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

export function shortNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e6) return `${trimmed(value / 1e6)}M`;
  if (size >= 10_000) return `${Math.round(value / 1000)}k`;
  if (size >= 1000) return `${trimmed(value / 1000)}k`;
  if (size >= 10 || Number.isInteger(value)) return String(Math.round(value));
  return trimmed(value);
}

function trimmed(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}

/** Rounds coordinates: a tenth of a pixel is enough, and keeps the file small. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** About `count` round values from 0 up to `most`. */
export function roundTicks(most: number, count: number): number[] {
  if (!(most > 0)) return [0];
  const raw = most / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power;
  const ticks: number[] = [];
  for (let tick = 0; tick <= most * 1.0001; tick += step) ticks.push(tick);
  return ticks;
}

/** A plot's frame: from seconds to x, from a value of 0 to 1 to y, upwards. */
export class Plot {
  readonly seconds: number;
  readonly top: number;
  readonly height: number;

  constructor(seconds: number, top: number, height: number) {
    this.seconds = seconds;
    this.top = top;
    this.height = height;
  }

  x(at: number): number {
    return LEFT + (Math.max(0, Math.min(this.seconds, at)) / this.seconds) * PLOT_WIDTH;
  }

  y(fraction: number): number {
    return this.top + (1 - fraction) * this.height;
  }

  get bottom(): number {
    return this.top + this.height;
  }

  frame(): string {
    return `<rect class="frame" x="${LEFT}" y="${px(this.top)}" width="${PLOT_WIDTH}" height="${px(this.height)}"/>`;
  }

  title(text: string): string {
    return `<text class="panel-title" x="${LEFT}" y="${px(this.top - 9)}">${escaped(text)}</text>`;
  }

  yLabel(fraction: number, text: string, withLine: boolean): string {
    const y = this.y(fraction);
    const line = withLine
      ? `<line class="grid" x1="${LEFT}" x2="${LEFT + PLOT_WIDTH}" y1="${px(y)}" y2="${px(y)}"/>`
      : `<line class="tick" x1="${LEFT - 4}" x2="${LEFT}" y1="${px(y)}" y2="${px(y)}"/>`;
    return `${line}<text class="label end" x="${LEFT - 8}" y="${px(y + 4)}">${escaped(text)}</text>`;
  }

  timeAxis(): string {
    const parts = roundTicks(this.seconds, 10).map((tick) => {
      const x = px(this.x(tick));
      return `<line class="tick" x1="${x}" x2="${x}" y1="${px(this.bottom)}" y2="${px(this.bottom + 4)}"/><text class="label middle" x="${x}" y="${px(this.bottom + 17)}">${tick} s</text>`;
    });
    return parts.join('');
  }
}

export function rect(
  x: number,
  y: number,
  width: number,
  height: number,
  className: string,
  hint: string,
): string {
  return `<rect class="${className}" x="${px(x)}" y="${px(y)}" width="${px(width)}" height="${px(height)}"><title>${escaped(hint)}</title></rect>`;
}

export function line(points: readonly (readonly [number, number])[], className: string): string {
  if (points.length === 0) return '';
  const path = points.map(([x, y], i) => `${i === 0 ? 'M' : 'L'}${px(x)} ${px(y)}`).join('');
  return `<path class="${className}" d="${path}"/>`;
}
