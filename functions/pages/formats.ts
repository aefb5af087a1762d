import prettyBytes from 'pretty-bytes';
import { type Child, html } from './html.ts';

export { prettyBytes as bytes };

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** Formats a duration by its two largest units: `3 min 12 s`. */
export function duration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  const [large, small, units] = seconds < 3_600 ? [60, 1, ['min', 's']] : [3_600, 60, ['h', 'min']];
  const days = Math.floor(seconds / 86_400);
  if (days > 1) return `${days} days`;
  return `${Math.floor(seconds / large)} ${units[0]} ${Math.floor((seconds % large) / small)} ${units[1]}`;
}

/** Shows a time in UTC. Shows a text that is no time as it is. */
export function time(iso: string): Child {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  return html`<time datetime=${date.toISOString()}>${utc(date)}</time>`;
}

/** Formats a time: `2026-11-28 02:00:04 UTC`. */
export function utc(date: Date): string {
  return `${date.toISOString().slice(0, 19).replace('T', ' ')} UTC`;
}
