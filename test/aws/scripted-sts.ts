import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** A role's session, or an account, or the code of an error. */
type StsAnswer = { sessionOf: string } | { account: string } | { status: number; code: string };

/** STS on loopback that answers what a test says, in its own protocol: forms in, XML out. */
export async function startScriptedSts(answer: (action: string) => StsAnswer) {
  const calls: Record<string, string>[] = [];
  const server = createServer(async (request, response) => {
    const call = Object.fromEntries(new URLSearchParams(await text(request)));
    calls.push(call);
    const { status, body } = inXml(answer(call['Action'] ?? ''));
    response.writeHead(status, { 'content-type': 'text/xml' }).end(body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    calls,
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

function inXml(answer: StsAnswer): { status: number; body: string } {
  if ('code' in answer) {
    const error = `<Error><Type>Sender</Type><Code>${answer.code}</Code><Message>no</Message></Error>`;
    return { status: answer.status, body: `<ErrorResponse>${error}</ErrorResponse>` };
  }
  if ('account' in answer) return { status: 200, body: result('GetCallerIdentity', tag('Account', answer.account)) };
  const credentials = [
    tag('AccessKeyId', answer.sessionOf),
    tag('SecretAccessKey', 'secret'),
    tag('SessionToken', 'token'),
    tag('Expiration', new Date(Date.now() + 3_600_000).toISOString()),
  ];
  return { status: 200, body: result('AssumeRole', tag('Credentials', credentials.join(''))) };
}

function result(action: string, content: string): string {
  return tag(`${action}Response`, tag(`${action}Result`, content));
}

function tag(name: string, content: string): string {
  return `<${name}>${content}</${name}>`;
}
