import { once } from 'node:events';
import { createServer, request as forward, type IncomingHttpHeaders } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

export interface ConnectProxy {
  url: string;
  port: number;
  /** The requests that it received, in order. */
  seen: { method: string; target: string; headers: IncomingHttpHeaders }[];
  close(): Promise<void>;
}

/**
 * A proxy on loopback that takes every name for this machine, or responds to everything with one status. `ports` are
 * where the servers of some names listen, whatever port is asked for.
 */
export async function startConnectProxy(
  refusal?: number,
  ports: Readonly<Record<string, number>> = {},
): Promise<ConnectProxy> {
  const seen: ConnectProxy['seen'] = [];
  const sockets = new Set<Socket>();
  const server = createServer((request, response) => {
    seen.push({ method: request.method ?? '', target: request.url ?? '', headers: request.headers });
    if (refusal !== undefined) return void response.writeHead(refusal).end();
    const { port, pathname } = new URL(request.url ?? '');
    forward({ host: '127.0.0.1', port, path: pathname, agent: false }, (answer) => answer.pipe(response)).end();
  });
  server.on('connect', (request, socket: Socket) => {
    seen.push({ method: 'CONNECT', target: request.url ?? '', headers: request.headers });
    if (refusal !== undefined) return void socket.end(`HTTP/1.1 ${refusal} No\r\n\r\n`);
    const [name = '', port] = request.url?.split(':') ?? [];
    const onward = connect(ports[name] ?? Number(port), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n');
      onward.pipe(socket).pipe(onward);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  server.on('connection', (socket: Socket) => sockets.add(socket.on('close', () => sockets.delete(socket))));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    seen,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
