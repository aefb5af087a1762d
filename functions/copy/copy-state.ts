import { FactoryError } from '../errors.ts';
import type { Paused } from '../oci/copy/deadline.ts';
import type { CopyState } from '../state/documents.ts';

/** Calls without progress after which the copy fails. */
const mostIdleCalls = 5;

export function newCopyState(): CopyState {
  const none = () => ({ bytesTransferred: 0, bytesSkipped: 0 });
  const startedAt = new Date().toISOString();
  return {
    startedAt,
    attempts: 0,
    image: none(),
    referrers: none(),
    done: 0,
    idleCalls: 0,
    setbacks: 0,
    registries: [],
  };
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
