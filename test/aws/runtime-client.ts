import { join } from 'node:path';

/**
 * The part of Lambda's Node.js runtime that our functions see: it loads `index.mjs` from the task root, and hands it
 * one event after the other. https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html
 */
type Handler = (event: unknown, context: object) => Promise<unknown>;

const env = process.env;
const api = `http://${env['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime`;
const post = async (path: string, body: unknown) =>
  (await fetch(`${api}/${path}`, { method: 'POST', body: JSON.stringify(body) })).body?.cancel();

const { handler } = (await import(join(env['LAMBDA_TASK_ROOT'] ?? '', 'index.mjs'))) as { handler: Handler };
for (;;) {
  const next = await fetch(`${api}/invocation/next`);
  const id = next.headers.get('lambda-runtime-aws-request-id') ?? '';
  const deadline = Number(next.headers.get('lambda-runtime-deadline-ms'));
  const context = {
    functionName: env['AWS_LAMBDA_FUNCTION_NAME'],
    functionVersion: '$LATEST',
    invokedFunctionArn: next.headers.get('lambda-runtime-invoked-function-arn'),
    memoryLimitInMB: env['AWS_LAMBDA_FUNCTION_MEMORY_SIZE'],
    awsRequestId: id,
    getRemainingTimeInMillis: () => deadline - Date.now(),
  };
  try {
    await post(`invocation/${id}/response`, (await handler(await next.json(), context)) ?? null);
  } catch (error) {
    const { name, message, stack = '' } = error as Error;
    await post(`invocation/${id}/error`, { errorType: name, errorMessage: message, trace: stack.split('\n') });
  }
}
