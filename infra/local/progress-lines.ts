import prettyBytes from 'pretty-bytes';
import type { ProgressEvent } from '../../functions/runtime/runtime.ts';
import { cellLimit, printable } from '../../functions/text/printable.ts';
import { duration, type Transfer } from './transfer.ts';

/** Counts an event. */
export function follow(transfer: Transfer, event: ProgressEvent): void {
  if (event.kind === 'copying') transfer.begin(event.images, event.bytes);
  else if (event.kind === 'image-progress') transfer.add(event.bytes);
  else if (event.kind === 'image-finished') transfer.finishImage();
}

/** Returns the line for an event; `undefined` for one that has none. */
export function lineOf(event: ProgressEvent, transfer: Transfer): string | undefined {
  const line = wordsFor(event, transfer);
  return line === undefined ? undefined : printable(line, cellLimit);
}

function wordsFor(event: ProgressEvent, { done }: Transfer): string | undefined {
  switch (event.kind) {
    case 'copying':
      return `copying ${event.images} ${event.images === 1 ? 'image' : 'images'}, at most ${prettyBytes(event.bytes)} to move`;
    case 'image-started':
      return `copying ${event.image} (${prettyBytes(event.bytes)})`;
    case 'image-finished':
      return event.status === 'failed'
        ? `FAILED  ${event.image}: ${event.message}`
        : `${event.status} ${event.image}${done && ` (${done})`}`;
    case 'wait':
      return `${event.subject}: ${event.reason}; waiting for ${duration(event.seconds)}, until ${timeIn(event.seconds)}`;
    case 'note':
      return event.message;
    case 'image-progress':
      return undefined;
  }
}

/** Returns the time after some seconds: `10:02:31 UTC`. */
function timeIn(seconds: number): string {
  return `${new Date(Date.now() + seconds * 1_000).toISOString().slice(11, 19)} UTC`;
}
