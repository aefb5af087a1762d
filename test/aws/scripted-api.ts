import { createServer, type IncomingHttpHeaders } from 'node:http';
import { text } from 'node:stream/consumers';
import { listenLocally } from '../http/local-server.ts';

/** An API of AWS on loopback that answers what a test says: refusals, and dates, that moto knows nothing of. */
export async function startScriptedApi(
  type: string,
  answer: (body: string, headers: IncomingHttpHeaders) => { status: number; body: string },
) {
  const server = createServer(async (request, response) => {
    const { status, body } = answer(await text(request), request.headers);
    response.writeHead(status, { 'content-type': type }).end(body);
  });
  const { url, close } = await listenLocally(server);
  return {
    config: {
      endpoint: url,
      region: 'eu-west-1',
      credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      maxAttempts: 1,
    },
    close,
  };
}
