import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

export interface DelayProxy extends AsyncDisposable {
  /** `ADDRESS:PORT`, with the address of the target. */
  host: string;
}

/** Settings of a proxy's thread. */
export interface DelayProxySettings {
  /** `host:port` */
  target: string;
  /** Delay each way, in milliseconds. */
  delayMs: number;
}

/**
 * Starts a TCP proxy to `target` (`host:port`) that delays data by half of `rttMs` each way. It adds time and must not
 * limit bandwidth, so each proxy has its own thread.
 */
export async function startDelayProxy(target: string, rttMs: number): Promise<DelayProxy> {
  const settings: DelayProxySettings = { target, delayMs: rttMs / 2 };
  const thread = new Worker(join(import.meta.dirname, 'delay-proxy-thread.ts'), { workerData: settings });
  const [port] = (await once(thread, 'message')) as [number];
  return {
    host: `${target.split(':')[0]}:${port}`,
    async [Symbol.asyncDispose]() {
      await thread.terminate();
    },
  };
}
