import { CfnCondition, CfnMapping, CfnOutput, Fn, type Stack, Token } from 'aws-cdk-lib/core';
import { consoles } from '../functions/text/console.ts';

/** Outputs of a stack with addresses of the console, in the stack's partition. */
export class ConsoleLinks {
  readonly #stack: Stack;
  readonly #host: string | undefined;
  /** Holds where the console has a known host, if the partition is known at deployment only. */
  readonly #condition: CfnCondition | undefined;

  constructor(stack: Stack) {
    this.#stack = stack;
    const { partition } = stack;
    if (!Token.isUnresolved(partition)) {
      this.#host = consoles[partition];
      return;
    }
    const mapping = Object.fromEntries(Object.entries(consoles).map(([id, host]) => [id, { Host: host }]));
    this.#host = new CfnMapping(stack, 'Consoles', { mapping }).findInMap(partition, 'Host');
    const isOne = Object.keys(consoles).map((id) => Fn.conditionEquals(partition, id));
    this.#condition = new CfnCondition(stack, 'HasConsole', { expression: Fn.conditionOr(...isOne) });
  }

  /** Adds the address of a page such as `states/home`. Without a known host, a no-op. */
  add(output: string, path: string, fragment = ''): void {
    if (this.#host === undefined) return;
    new CfnOutput(this.#stack, output, {
      value: `https://${this.#host}/${path}?region=${this.#stack.region}${fragment}`,
      ...(this.#condition && { condition: this.#condition }),
    });
  }
}
