import { utcTicks } from 'd3-time';
import type { ImageResult, Report } from '../state/documents.ts';
import { duration, plural, time } from './formats.ts';
import { type Child, type Html, html } from './html.ts';
import { type Section, folded, table } from './table.ts';
import { line } from './text.ts';

/** Copies that get a bar: the longest ones. */
const mostCopies = 20;
const rowHeight = 32;
const axisHeight = 24;

interface Bar {
  name: string;
  from: number;
  to: number;
  tone: 'phase' | 'copy' | 'bad' | 'warn';
}

/** The names of phases that their tasks do not tell. */
const phaseNames: Readonly<Record<string, string>> = {
  gate: 'decide',
  'update-config': 'switch',
  'reset-config': 'reset',
  rollback: 'roll back',
};

/** Shows where the time of a run went: its phases, and the longest copies. */
export function timeLine({ phases = [], images, startedAt, endedAt }: Report): Section | undefined {
  const bars = [
    ...phases.map(({ name, ...times }): Bar => ({
      name: phaseNames[name] ?? name,
      from: Date.parse(times.startedAt),
      to: Date.parse(times.endedAt),
      tone: name === 'rollback' ? 'warn' : 'phase',
    })),
    ...images
      .flatMap(copyBar)
      .toSorted(byLength)
      .slice(0, mostCopies)
      .toSorted((one, other) => one.from - other.from),
  ];
  if (bars.length === 0) return undefined;
  const start = Math.min(...bars.map(({ from }) => from), ...(startedAt === undefined ? [] : [Date.parse(startedAt)]));
  const end = Math.max(...bars.map(({ to }) => to), ...(endedAt === undefined ? [] : [Date.parse(endedAt)]), start + 1);
  return {
    id: 'time',
    title: 'Time',
    content: [
      drawing(bars, start, end),
      folded(
        'The same as a table',
        table({
          caption: 'Phases and copies',
          columns: ['Step', 'Start', { name: 'Duration', isNumber: true }],
          rows: bars.map(({ name, from, to }) => [
            line(name, 200),
            time(new Date(from).toISOString()),
            duration(to - from),
          ]),
        }),
      ),
    ],
  };
}

function byLength(one: Bar, other: Bar): number {
  return other.to - other.from - (one.to - one.from);
}

function copyBar({ image, status, startedAt, durationMs }: ImageResult): Bar[] {
  if (startedAt === undefined || durationMs === undefined) return [];
  const from = Date.parse(startedAt);
  return [{ name: image, from, to: from + durationMs, tone: status === 'failed' ? 'bad' : 'copy' }];
}

/** Positions are in percent and texts have no scale, so that the drawing fits every width. */
function drawing(bars: readonly Bar[], start: number, end: number): Html {
  const at = (ms: number) => `${((100 * (ms - start)) / (end - start)).toFixed(2)}%`;
  const height = axisHeight + bars.length * rowHeight;
  const copies = bars.filter(({ tone }) => tone === 'copy' || tone === 'bad').length;
  const description = `${plural(bars.length - copies, 'phase')} and ${plural(copies, 'copy').replace(/ys$/, 'ies')} in ${duration(end - start)}`;
  return html`<figure>
    <svg class="time-line" role="img" aria-labelledby="time-line-title time-line-text" width="100%" height=${height}>
      <title id="time-line-title">Time line of the run</title>
      <desc id="time-line-text">${description}</desc>
      ${axis(start, end, at, height)} ${bars.map((bar, index) => row(bar, axisHeight + index * rowHeight, start, end))}
    </svg>
  </figure>`;
}

function axis(start: number, end: number, at: (ms: number) => string, height: number): Child {
  const ticks = utcTicks(new Date(start), new Date(end), 4).map(Number);
  const isFine = ticks.some((tick) => tick % 1_000 !== 0);
  // Labels at the right edge would be cut off.
  const shown = ticks.filter((tick) => tick - start < 0.85 * (end - start));
  return shown.map(
    (tick, index) =>
      html`<line x1=${at(tick)} x2=${at(tick)} y1="0" y2=${height} />
        <text class=${index === 0 ? 'tick' : 'tick more'} x=${at(tick)} dx="4" y="12">
          ${new Date(tick).toISOString().slice(11, isFine ? 23 : 19)}
        </text>`,
  );
}

function row({ name, from, to, tone }: Bar, top: number, start: number, end: number): Child {
  const x = (100 * (from - start)) / (end - start);
  const width = Math.max(0.2, (100 * (to - from)) / (end - start));
  return html`<text x="0" y=${top + 12}>${line(name, 60)} · ${duration(to - from)}</text>
    <rect
      class=${tone}
      x=${`${Math.min(x, 99.8).toFixed(2)}%`}
      y=${top + 18}
      width=${`${width.toFixed(2)}%`}
      height="8"
      rx="2"
    />`;
}
