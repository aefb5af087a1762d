import { FactoryError } from '../errors.ts';
import type { Configuration } from './configuration.ts';
import { impossible, impossibleDespite } from './impossible-input.ts';
import { inputKeys, inputSchema, understood } from './input-schema.ts';
import { countProblems, problemsOf } from './problems.ts';
import { type RunSettings, settingsOf } from './run-settings.ts';

/**
 * Validates an execution input and fills in the defaults of the deployment. Throws `InvalidInput` with all problems at
 * once, each with its JSON path, the value found and the values allowed.
 */
export function parseExecutionInput(input: unknown, configuration: Configuration): RunSettings {
  const given = understood(input ?? {});
  const parsed = inputSchema.safeParse(given);
  const problems = parsed.success
    ? impossible(parsed.data, configuration)
    : [...problemsOf(parsed.error, given, inputKeys()), ...impossibleDespite(parsed.error, given, configuration)];
  const settings =
    parsed.success && problems.length === 0 ? settingsOf(parsed.data, given as object, configuration) : undefined;
  if (!settings) {
    throw new FactoryError('InvalidInput', `the execution input has ${countProblems(problems)}`, {
      hint: 'Correct the input; docs/reference.md lists every key with its values.',
      problems,
    });
  }
  return settings;
}
