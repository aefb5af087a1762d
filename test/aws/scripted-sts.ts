import { startScriptedApi } from './scripted-api.ts';

/** A role's session, or an account, or the code of an error. */
type StsAnswer = { sessionOf: string } | { account: string } | { status: number; code: string };

/** STS, in its own protocol: forms in, XML out. */
export async function startScriptedSts(answer: (action: string) => StsAnswer) {
  const calls: Record<string, string>[] = [];
  const api = await startScriptedApi('text/xml', (text) => {
    const call = Object.fromEntries(new URLSearchParams(text));
    calls.push(call);
    return inXml(answer(call['Action'] ?? ''));
  });
  return { calls, ...api };
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
