import { createHash } from 'node:crypto';
import { SFNClient, type SFNClientConfig } from '@aws-sdk/client-sfn';
import { FactoryError } from '../errors.ts';
import { networkFailure } from '../http/network-error.ts';
import { clientConfig } from './client-config.ts';
import { Executions } from './executions.ts';
import { awsReason } from './failure-reason.ts';
import { invokeFunction } from './lambda-invocation.ts';
import { serverFaultOf } from './server-fault.ts';

type Called = { running: true } | { output: unknown };

/** What tests need to set. */
interface TemplateConfig extends SFNClientConfig {
  endpoint?: string;
}

/** Of what a function or state machine says about its failure. */
const reasonLimit = 1_000;

/** A state machine or Lambda function of the customer's, by its ARN, in the ARN's region. */
export class Template {
  readonly #arn: string;
  readonly #endpoint: string | undefined;
  readonly #client: SFNClient;

  /** `config` (endpoint, credentials) is for tests. */
  constructor(arn: string, config: TemplateConfig = {}) {
    this.#arn = arn;
    this.#endpoint = config.endpoint;
    this.#client = new SFNClient({ ...clientConfig(), ...config, region: arn.split(':')[3] ?? '' });
  }

  /**
   * Starts the execution of that name, or tells how the one that was started fares; a function is invoked, and waited
   * for. What could not be asked just now counts as running: the next call asks again. Throws `TemplateFailed`.
   */
  async call(name: string, input: unknown, signal?: AbortSignal): Promise<Called> {
    try {
      const text = JSON.stringify(input);
      return await (this.#arn.split(':')[2] === 'lambda'
        ? this.#invoke(text, signal)
        : this.#execute(executionName(name), text));
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof FactoryError) throw error;
      const { name: code, text: reason } = awsReason(error);
      const busy = code === 'ThrottlingException' || serverFaultOf(error) !== undefined;
      if (busy || networkFailure(error)?.transient) return { running: true };
      throw this.#failure(`could not be called: ${reason}`, error);
    }
  }

  async #execute(name: string, input: string): Promise<Called> {
    const executions = new Executions(this.#arn, this.#client);
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

  async #invoke(input: string, signal?: AbortSignal): Promise<Called> {
    const answer = await invokeFunction(this.#arn, input, this.#client, this.#endpoint, signal);
    const { status, functionError, payload } = answer;
    if (status === 429 || status >= 500) return { running: true };
    if (status !== 200) throw this.#failure(`could not be called: ${status}: ${payload}`);
    if (functionError !== undefined) throw this.#failure(`failed: ${payload}`);
    return { output: this.#parse(payload) };
  }

  #parse(text: string): unknown {
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw this.#failure('answered what is not JSON', cause);
    }
  }

  #failure(what: string, cause?: unknown): FactoryError {
    const message = `${this.#arn} ${what}`;
    return new FactoryError('TemplateFailed', message.slice(0, reasonLimit), {
      hint: 'Look at its log; docs/templates.md says what it is called with, what it is to answer, and what may call it.',
      cause,
    });
  }
}

/** Execution names have at most 80 characters, of few kinds; the hash keeps shortened ones apart. */
function executionName(name: string): string {
  const hash = createHash('sha256').update(name).digest('hex').slice(0, 24);
  return `${name.replaceAll(/[^A-Za-z0-9_-]+/g, '-').slice(0, 55)}-${hash}`;
}
