import { afterAll, beforeAll, beforeEach } from '@jest/globals';
import { HarnessConnection } from '../../../functions/harness/connection.ts';
import {
  harnessObject,
  inOrderOfCreation,
  objectKinds,
  type HarnessObject,
  type ObjectKind,
} from '../../../functions/harness/objects/object.ts';
import { HarnessObjects } from '../../../functions/harness/objects/objects.ts';
import { SecretValue } from '../../../functions/harness/objects/secret-value.ts';
import { Transport } from '../../../functions/http/transport.ts';
import { defaultQuirks } from '../../../infra/local/embedded/harness-api/quirks.ts';
import { startHarnessApi, type EmbeddedHarnessApi } from '../../../infra/local/embedded/harness-api/server.ts';
import { emptyAccount, type AccountState } from '../../../infra/local/embedded/harness-api/state.ts';
import { samples } from './samples.ts';

/** The embedded Harness API of `useHarness`. */
export let harness: EmbeddedHarnessApi;
export let objects: HarnessObjects;
let transport: Transport;
export const secretText = 'a-value-that-nobody-shows';

/** Returns the objects of the account at an address as a key sees them. */
export function objectsAt(url: string, apiKey: string): HarnessObjects {
  const retry = { attempts: 3, baseMs: 1, maxMs: 1 };
  return new HarnessObjects(new HarnessConnection({ url, apiKey, transport, retry }));
}

/** Starts an embedded Harness API for the suite, with an empty account in each test. */
export function useHarness(): void {
  beforeAll(async () => {
    transport = new Transport();
    harness = await startHarnessApi();
    objects = objectsAt(harness.url, harness.apiKey);
  });
  beforeEach(() => {
    harness.state[harness.accountId] = emptyAccount();
    harness.requests.length = 0;
    Object.assign(harness.quirks, defaultQuirks());
  });
  afterAll(async () => {
    await transport.destroy();
    await harness.close();
  });
}

export function account(): AccountState {
  const state = harness.state[harness.accountId];
  if (!state) throw new Error('the account is gone');
  return state;
}

/** The sample of a kind. That of the secret has a value. */
export function sample(kind: ObjectKind, change: (yaml: string) => string = (yaml) => yaml): HarnessObject {
  return harnessObject(change(samples[kind]), kind === 'secret' ? new SecretValue(secretText) : undefined);
}

/** Creates what comes before a kind. */
export async function createBefore(kind: ObjectKind): Promise<void> {
  for (const name of objectKinds.slice(0, objectKinds.indexOf(kind))) await objects.upsert(sample(name));
}

export function all(): HarnessObject[] {
  return inOrderOfCreation(objectKinds.map((kind) => ({ kind }))).map(({ kind }) => sample(kind));
}

/** Writes that the API received, as `METHOD path`. */
export function writes(): string[] {
  return harness.requests
    .filter(({ method }) => method !== 'GET')
    .map(({ method, path }) => `${method} ${path.replace('/gateway/', '')}`);
}
