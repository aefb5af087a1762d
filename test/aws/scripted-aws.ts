import { startScriptedApi } from './scripted-api.ts';

/** The response of an AWS JSON API to one request. Errors have their name in `__type`. */
export interface Answer {
  status: number;
  body: object;
}

/** An AWS JSON API: the operation in a header, JSON in and out. */
export async function startScriptedAws(answer: (operation: string, input: unknown) => Answer) {
  const calls: { operation: string; input: unknown }[] = [];
  const api = await startScriptedApi('application/x-amz-json-1.1', (text, headers) => {
    const operation = String(headers['x-amz-target']).split('.').at(-1) ?? '';
    const input: unknown = JSON.parse(text);
    calls.push({ operation, input });
    const { status, body } = answer(operation, input);
    return { status, body: JSON.stringify(body) };
  });
  return { calls, ...api };
}
