import { FactoryError } from '../errors.ts';
import type { CopyTotals } from '../oci/copy/copy-image.ts';
import type { Paused } from '../oci/copy/deadline.ts';
import type { RegistryCounts } from '../state/documents.ts';

/** The state that one call of an image's copy hands to the next. */
export interface CopyState {
  /** The source in use, when it is not the first. */
  source?: string;
  image: CopyTotals;
  /** The image has arrived. Only its referrers remain. */
  arrived?: true;
  referrers: CopyTotals;
  /** Bytes done by the end of the last call. */
  done: number;
  /** Consecutive calls without progress, and calls in total that ended with fewer bytes than they began with. */
  idleCalls: number;
  setbacks: number;
  registries: RegistryCounts[];
}

/** Calls without progress after which the copy fails. */
const mostIdleCalls = 5;

export function newCopyState(): CopyState {
  const none = () => ({ bytesTransferred: 0, bytesSkipped: 0 });
  return { image: none(), referrers: none(), done: 0, idleCalls: 0, setbacks: 0, registries: [] };
}

/** Reads a stored state; returns a new one when it is invalid. */
export function readCopyState(stored: unknown): CopyState {
  const state = stored as CopyState | undefined;
  const whole =
    (state?.source === undefined || typeof state.source === 'string') &&
    (state?.arrived === undefined || state.arrived) &&
    [state?.done, state?.idleCalls, state?.setbacks].every((number) => Number.isSafeInteger(number)) &&
    isTotals(state?.image) &&
    isTotals(state.referrers) &&
    Array.isArray(state.registries) &&
    state.registries.every((counts) => typeof counts?.host === 'string' && isObject(counts.requests));
  return whole ? state : newCopyState();
}

/** Records the progress of a call. Throws after too many calls without progress. */
export function noteCall(state: CopyState, image: string, { notBefore }: Paused): void {
  const done = [state.image, state.referrers].reduce((sum, t) => sum + t.bytesTransferred + t.bytesSkipped, 0);
  state.idleCalls = done > state.done ? 0 : state.idleCalls + 1;
  if (done < state.done) state.setbacks++;
  state.done = done;
  if (Math.max(state.idleCalls, state.setbacks) < mostIdleCalls) return;
  throw notBefore === undefined
    ? new FactoryError(
        'RegistryFailed',
        `${mostIdleCalls} calls in a row copied no more than ${done} bytes of ${image}`,
        {
          hint: 'Check the network between the copy function and the registries, and give the function more memory, which adds bandwidth.',
        },
      )
    : new FactoryError(
        'RegistryThrottled',
        `a registry throttled ${image} ${mostIdleCalls} times without progress in between`,
        {
          hint: 'Log in to it for a higher limit, use another source registry, or run later.',
        },
      );
}

function isTotals(value: CopyTotals | undefined): value is CopyTotals {
  return Number.isSafeInteger(value?.bytesTransferred) && Number.isSafeInteger(value?.bytesSkipped);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}
