import { atEnd } from '../at-end.ts';
import { type MotoServer, startMotoServer } from './moto-server.ts';

/** The server of all suites that run together: Python loads for longer than most of them take. */
let server: Promise<MotoServer> | undefined;
let inUse = false;

/** Returns an empty AWS on loopback. Suites share it one after another: call `close` before another suite uses it. */
export async function shareMotoServer(): Promise<MotoServer> {
  if (inUse) throw new Error('another suite uses the server');
  inUse = true;
  const isNew = server === undefined;
  const { config } = await (server ??= startMotoServer());
  if (!isNew) {
    const { status } = await fetch(`${config.endpoint}/moto-api/reset`, { method: 'POST' });
    if (status !== 200) throw new Error(`the server cannot be emptied: HTTP ${status}`);
  }
  return {
    config,
    close() {
      inUse = false;
      return Promise.resolve();
    },
  };
}

atEnd(async () => (await server)?.close());
