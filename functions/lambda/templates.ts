import { AwsTemplate } from '../aws/template.ts';
import type { RuntimeParts } from '../runtime/runtime.ts';

/** Calls the templates of the deployment for its scan and copy tasks. */
export function templates(): Pick<RuntimeParts, 'template'> {
  return { template: (arn) => new AwsTemplate(arn) };
}
