import { type Html, html } from './html.ts';

type Tone = 'good' | 'bad' | 'warn' | 'plain';

/** The tone of each status of images, fields, scans, copies and runs. Another status is plain. */
const tones: Readonly<Record<string, Tone>> = {
  SUCCEEDED: 'good',
  FAILED: 'bad',
  SKIPPED: 'warn',
  UNFINISHED: 'warn',
  copied: 'good',
  repaired: 'good',
  failed: 'bad',
  updated: 'good',
  changed: 'good',
  reset: 'good',
  rejected: 'warn',
  'rolled back': 'warn',
  differs: 'bad',
  'may differ': 'bad',
  missing: 'bad',
  unknown: 'warn',
  exported: 'good',
  imported: 'good',
  ok: 'good',
  warning: 'warn',
  passed: 'good',
  pending: 'warn',
};

/** Every colour has a shape too. */
const shapes: Readonly<Record<Tone, string>> = { good: '✓', bad: '✕', warn: '~', plain: '·' };

/** Shows a status of ours. Remote text never becomes a class. */
export function chip(status: string, word = status): Html {
  const tone = tones[status] ?? 'plain';
  return html`<span class=${tone}><span aria-hidden="true">${shapes[tone]}</span> ${word}</span>`;
}

/** Shows the status of a run large. */
export function badge(status: string): Html {
  const tone = tones[status] ?? 'plain';
  return html`<strong class=${`badge ${tone}`}><span aria-hidden="true">${shapes[tone]}</span> ${status}</strong>`;
}

export function shapeOf(status: string): { tone: Tone; shape: string } {
  const tone = tones[status] ?? 'plain';
  return { tone, shape: shapes[tone] };
}
