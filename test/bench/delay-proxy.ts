import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

export interface DelayProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT` */
  host: string;
}

/** What a proxy is told. */
export interface DelayProxySettings {
  /** `host:port` */
  target: string;
  /** Each way, in milliseconds. */
  delayMs: number;
}

/**
 * Starts a TCP proxy to `target` (`host:port`) that holds back what passes for half of `rttMs` each way. It adds time
 * and takes no bandwidth, and so has a thread of its own: two in one would share what one thread can copy.
 */
export async function startDelayProxy(target: string, rttMs: number): Promise<DelayProxy> {
  const settings: DelayProxySettings = { target, delayMs: rttMs / 2 };
  const thread = new Worker(join(import.meta.dirname, 'delay-proxy-thread.ts'), { workerData: settings });
  const [port] = (await once(thread, 'message')) as [number];
  return {
    host: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      await thread.terminate();
    },
  };
}
