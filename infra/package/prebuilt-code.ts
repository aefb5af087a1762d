import { join } from 'node:path';
import { Code } from 'aws-cdk-lib/aws-lambda';

/** Returns the handler of a task from the package, where it is bundled already. Stands in for `bundled-code.ts`. */
export function bundledCode(task: string): Code {
  return Code.fromAsset(join(import.meta.dirname, 'functions', task));
}
