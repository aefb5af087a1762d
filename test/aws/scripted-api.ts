import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** An API of AWS on loopback that answers what a test says: refusals, and dates, that moto knows nothing of. */
export async function startScriptedApi(
  type: string,
  answer: (body: string, headers: IncomingHttpHeaders) => { status: number; body: string },
) {
  const server = createServer(async (request, response) => {
    const { status, body } = answer(await text(request), request.headers);
    response.writeHead(status, { 'content-type': type }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    config: {
      endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
    },
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
