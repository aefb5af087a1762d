import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import type { DelayProxySettings } from './delay-proxy.ts';

/** Bytes held back in one direction of a connection: 6 GiB/s at 10 ms, so that only time is added. */
const bytesUnderWay = 64 * 1024 * 1024;

/** Does not delay the handshake, which favours clients that open many connections. */
const { target, delayMs } = workerData as DelayProxySettings;
const [host = '', port = ''] = target.split(':');
const server = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
  const upstream = connect({ host, port: Number(port), allowHalfOpen: true, noDelay: true });
  delay(client, upstream);
  delay(upstream, client);
});
server.listen(0, host);
await once(server, 'listening');
const address = server.address();
if (address === null || typeof address === 'string') throw new TypeError('no port');
// oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread has no origin
parentPort?.postMessage(address.port);

/** Forwards each piece from `from` to `to` after `delayMs`, in order. A `null` piece is the end. */
function delay(from: Socket, to: Socket): void {
  const line: { due: number; piece: Buffer | null }[] = [];
  let length = 0;
  let waiting = false;

  const release = () => {
    waiting = false;
    for (let next = line[0]; next && !to.destroyed; next = line[0]) {
      const early = next.due - performance.now();
      if (early > 0) return wait(early);
      line.shift();
      if (next.piece === null) {
        to.end();
        return;
      }
      length -= next.piece.length;
      if (length < bytesUnderWay) from.resume();
      if (!to.write(next.piece)) {
        waiting = true;
        to.once('drain', release);
        return;
      }
    }
  };
  const wait = (ms: number) => {
    waiting = true;
    setTimeout(release, ms);
  };
  const add = (piece: Buffer | null) => {
    line.push({ due: performance.now() + delayMs, piece });
    length += piece?.length ?? 0;
    if (length >= bytesUnderWay) from.pause();
    if (!waiting) wait(delayMs);
  };
  from.on('data', add);
  from.on('end', () => add(null));
  from.on('error', () => to.destroy());
}
