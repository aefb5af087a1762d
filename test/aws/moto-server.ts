import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface MotoServer {
  /** Options for the constructor of any SDK client. */
  config: { endpoint: string; region: string; credentials: { accessKeyId: string; secretAccessKey: string } };
  close(): Promise<void>;
}

/** moto's account: every resource belongs to it. */
export const account = '123456789012';
export const region = 'eu-west-1';

/** An AWS of our own on loopback. S3 lists in pages of `s3PageSize` keys. */
export async function startMotoServer({ s3PageSize = 1000 } = {}): Promise<MotoServer> {
  const server = spawn('moto_server', ['-H', '127.0.0.1', '-p', '0'], {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, MOTO_S3_DEFAULT_MAX_KEYS: String(s3PageSize) },
  });
  const ended = once(server, 'exit');
  for await (const line of createInterface(server.stderr)) {
    const [endpoint] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
    if (!endpoint) continue;
    server.stderr.resume();
    return {
      config: { endpoint, region, credentials: { accessKeyId: 'test', secretAccessKey: 'test' } },
      async close() {
        server.kill();
        await ended;
      },
    };
  }
  throw new Error(`moto_server ended early: ${String(await ended)}`);
}
