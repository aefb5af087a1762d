import { createHash } from 'node:crypto';
import { InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { SFNClient, type SFNClientConfig } from '@aws-sdk/client-sfn';
import { FactoryError } from '../errors.ts';
import { networkFailure } from '../http/network-error.ts';
import type { Template, TemplateResult } from '../runtime/template.ts';
import { parseArn } from '../text/arn.ts';
import { clientConfig } from './client-config.ts';
import { Executions } from './executions.ts';
import { awsReason } from './failure-reason.ts';
import { serverFaultOf } from './server-fault.ts';

/** Client settings for tests. */
type TemplateConfig = Pick<SFNClientConfig, 'credentials' | 'endpoint' | 'maxAttempts' | 'region'>;

/** The maximum length of a failure message, which quotes the function or the state machine. */
const messageLimit = 1_000;

/** The longest that Lambda lets a function run, and a margin, in milliseconds. */
const invocationMs = 910_000;

/** A state machine or Lambda function of the user. Its ARN names the region. */
export class AwsTemplate implements Template {
  readonly #arn: string;
  readonly #config: TemplateConfig;

  /** `config` is for tests. */
  constructor(arn: string, config: TemplateConfig = {}) {
    this.#arn = arn;
    this.#config = { ...config, region: parseArn(arn).region };
  }

  /** Starts the execution `name`, or returns the result of an earlier one. Waits for the result of a function. */
  async call(name: string, input: unknown, signal?: AbortSignal): Promise<TemplateResult> {
    try {
      const text = JSON.stringify(input);
      return await (parseArn(this.#arn).service === 'lambda'
        ? this.#invoke(text, signal)
        : this.#execute(executionName(name), text));
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof FactoryError) throw error;
      if (isBusy(error) || networkFailure(error)?.transient) return { running: true };
      throw this.#failure(`could not be called: ${awsReason(error).text}`, error);
    }
  }

  async #execute(name: string, input: string): Promise<TemplateResult> {
    const executions = new Executions(this.#arn, new SFNClient({ ...clientConfig(), ...this.#config }));
    const found = await executions.find(name);
    if (!found) {
      await executions.start(name, input);
      return { running: true };
    }
    const { status, output = '', error = '', cause = '' } = found;
    if (status === 'RUNNING' || status === 'PENDING_REDRIVE') return { running: true };
    if (status !== 'SUCCEEDED') throw this.#failure(`ended as ${status}: ${error}: ${cause} (execution ${name})`);
    return { output: this.#parse(output) };
  }

  /** Invokes the function once. The SDK must not retry: a second invocation would run beside the first. */
  async #invoke(input: string, signal: AbortSignal | undefined): Promise<TemplateResult> {
    const client = new LambdaClient({
      ...clientConfig({ socketTimeout: invocationMs }),
      ...this.#config,
      maxAttempts: 1,
    });
    try {
      const command = new InvokeCommand({ FunctionName: this.#arn, Payload: input });
      const { FunctionError, Payload } = await client.send(command, signal && { abortSignal: signal });
      const payload = Payload?.transformToString() ?? '';
      if (FunctionError !== undefined) throw this.#failure(`failed: ${payload}`);
      return { output: this.#parse(payload) };
    } finally {
      client.destroy();
    }
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw this.#failure('returned a result that is not JSON', cause);
    }
  }

  #failure(what: string, cause?: unknown): FactoryError {
    const message = `${this.#arn} ${what}`;
    return new FactoryError('TemplateFailed', message.slice(0, messageLimit), {
      hint: 'Read its log. docs/templates.md describes its input, its result and the permissions it needs.',
      cause,
    });
  }
}

/** Returns true when the service throttled the call (HTTP 429, or by the error's name), or failed itself. */
function isBusy(error: unknown): boolean {
  const { name, $metadata } = Object(error) as { name?: string; $metadata?: { httpStatusCode?: number } };
  return name === 'ThrottlingException' || $metadata?.httpStatusCode === 429 || serverFaultOf(error) !== undefined;
}

/** Execution names have at most 80 characters of a small set. The hash distinguishes names that were shortened. */
function executionName(name: string): string {
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 24);
  return `${name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 55)}-${hash}`;
}
