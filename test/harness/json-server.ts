import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { listenLocally, type LocalServer } from '../http/local-server.ts';

/** Responds to every request with what `respond` returns for its method and body, as JSON. */
export async function startJsonServer(
  respond: (method: string, body: string) => { status: number; body: unknown },
): Promise<LocalServer> {
  const server = createServer((request, response) => {
    void serve(request, response);
  });
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, body } = respond(request.method ?? '', await text(request));
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }
  return listenLocally(server);
}
