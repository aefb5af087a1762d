import { execFile } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import { promisify } from 'node:util';
import { region } from '../aws/moto-server.ts';
import type { LocalStack } from './localstack.ts';
import { blocksOf } from './page-blocks.ts';
import { pythonEnvironment } from './python-environment.ts';

/** Version 1 of the AWS CLI sends requests for SQS to AWS in spite of AWS_ENDPOINT_URL, but not in spite of this. */
const aws = 'aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }';

/** Runs commands of a page in a shell, as they stand there. */
export class PageCommands {
  readonly blocks: ReadonlyMap<string, readonly string[]>;
  /** Blocks that have been run, as `heading 0`. */
  readonly done = new Set<string>();
  readonly #aws: LocalStack;
  readonly #folder: string;

  /** @param folder the working directory of the commands */
  constructor(page: string, aws: LocalStack, folder: string) {
    this.blocks = blocksOf(page);
    this.#aws = aws;
    this.#folder = folder;
  }

  /**
   * Runs a block below a heading, after the one below the title of the runbook, and returns its output. `variables` are
   * those that the page tells to set.
   *
   * @throws {Error} when a command fails.
   */
  async run(heading: string, index = 0, variables: Readonly<Record<string, string>> = {}): Promise<string> {
    const commands = this.blocks.get(heading)?.[index];
    if (commands === undefined) throw new Error(`the page has no block ${index} below ${heading}`);
    const first = this.blocks.get('Runbook') ?? [];
    const script = ['set -euo pipefail', aws, ...first, ...Object.entries(variables).map(set), commands].join('\n');
    const { stdout } = await promisify(execFile)('bash', ['-c', script], {
      cwd: this.#folder,
      env: {
        ...this.#aws.environment,
        AWS_DEFAULT_REGION: region,
        HOME: this.#folder,
        PATH: [dirname(await pythonEnvironment()), process.env['PATH']].join(delimiter),
      },
    });
    this.done.add(`${heading} ${index}`);
    return stdout;
  }
}

function set([name, value]: [string, string]): string {
  return `${name}='${value}'`;
}
