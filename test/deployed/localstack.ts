import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { region } from '../aws/moto-server.ts';
import type { Call, Reply } from './functions.ts';
import { pythonEnvironment } from './python-environment.ts';

export interface LocalStack {
  /** Options for the constructor of any SDK client. */
  config: { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } };
  /** Variables that make other processes take it for AWS. */
  environment: Record<string, string>;
  close(): Promise<void>;
}

/** Factor by which the waits of an execution are shorter than in its definition. */
const faster = 1_000;
const pollMs = 200;
const startMs = 120_000;
/** Number of characters of its log that are kept, to show why it did not start. */
const logLimit = 4_000;

/** Starts LocalStack on a free loopback port. `invoke` runs its functions; `folder` is empty, and gets its state. */
export async function startLocalStack(folder: string, invoke: (call: Call) => Promise<Reply>): Promise<LocalStack> {
  const python = await pythonEnvironment();
  const callbacks = createServer((request, response) => {
    const answer = async () => JSON.stringify(await invoke((await json(request)) as Call));
    answer().then(
      (text) => response.writeHead(200, { 'content-type': 'application/json' }).end(text),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  // An invocation takes as long as it takes.
  callbacks.requestTimeout = 0;
  callbacks.listen(0, '127.0.0.1');
  await once(callbacks, 'listening');
  const callbackUrl = `http://127.0.0.1:${portOf(callbacks)}/`;
  const port = await freePort();
  const child = spawn(
    python,
    [join(import.meta.dirname, 'start_localstack.py'), String(port), callbackUrl, String(faster)],
    {
      cwd: folder,
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  const ended = once(child, 'close');
  let log = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (log = (log + chunk.toString()).slice(-logLimit)));

  const close = async () => {
    child.kill('SIGKILL');
    await ended;
    callbacks.close();
    callbacks.closeAllConnections();
  };
  const endpoint = `http://127.0.0.1:${port}`;
  try {
    await untilReady(endpoint, () => child.exitCode !== null);
  } catch (error) {
    await close();
    throw new Error(`LocalStack did not start:\n${log}`, { cause: error });
  }
  return {
    config: { endpoint, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } },
    environment: {
      // With an IP address for the host, the SDK puts the names of buckets into paths.
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    },
    close,
  };
}

async function untilReady(endpoint: string, hasEnded: () => boolean): Promise<void> {
  for (const deadline = Date.now() + startMs; Date.now() < deadline && !hasEnded(); await sleep(pollMs)) {
    const response = await fetch(`${endpoint}/_localstack/health`).catch(() => undefined);
    await response?.body?.cancel();
    if (response?.ok) return;
  }
  throw new Error(hasEnded() ? 'its process ended' : `it was not ready after ${startMs / 1_000} s`);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  return port;
}

function portOf(server: { address(): AddressInfo | string | null }): number {
  return (server.address() as AddressInfo).port;
}
