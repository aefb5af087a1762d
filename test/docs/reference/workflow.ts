import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';

/** Path of the page in the repository. */
export const workflowPath = 'docs/architecture.md';

const rule = z.object({ Variable: z.string(), StringEquals: z.string().optional(), Next: z.string() });
const state = z.object({
  Type: z.string(),
  Next: z.string().optional(),
  Default: z.string().optional(),
  Choices: z.array(rule).default([]),
  Catch: z.array(z.object({ Next: z.string() })).default([]),
});
const definition = z.object({ StartAt: z.string(), States: z.record(z.string(), state) });
type Definition = z.output<typeof definition>;

/** Types of states that do work, or end a run. Arrows lead through the others. */
const shapes: Readonly<Record<string, readonly [open: string, close: string]>> = {
  Task: ['["', '"]'],
  Map: ['[["', '"]]'],
  Succeed: ['(["', '"])'],
  Fail: ['(["', '"])'],
};

/** Returns the page with the diagram of the workflow in its place. GitHub draws Mermaid in the scheme of the reader. */
export function withWorkflow(page: string): string {
  const text = readFileSync(join(import.meta.dirname, '../../../infra/workflow.asl.json'), 'utf8');
  const block = `<!-- workflow -->\n\n\`\`\`mermaid\n${diagramOf(JSON.parse(text))}\n\`\`\``;
  return page.replace(/<!-- workflow -->\n\n```mermaid\n[^]*?```/, () => block);
}

/**
 * Draws a definition in Amazon States Language as a Mermaid flowchart. Dotted arrows are errors; those that lead to the
 * report are left out, as are states that are called again after a pause.
 */
export function diagramOf(asl: unknown): string {
  const { StartAt, States } = definition.parse(asl);
  const lines: string[] = [];
  const waiting = [StartAt];
  for (const name of waiting) {
    const { Type, Next, Catch } = stateOf(States, name);
    const [open, close] = shapes[Type] ?? [];
    if (open === undefined) throw new Error(`${name} is of type ${Type}, which no diagram shows`);
    lines.push(`  ${name}${open}${wordsOf(name)}${close}`);
    const arrows = [
      ...(Next === undefined ? [] : targetsOf(States, Next).map((target) => ({ ...target, arrow: '-->' }))),
      ...Catch.flatMap((each) => targetsOf(States, each.Next)).map(({ name: target }) => {
        return { name: target, label: '', arrow: '-.->' };
      }),
    ].filter((each) => each.name !== name && !(each.arrow === '-.->' && each.name === 'Report'));
    for (const { name: target, label, arrow } of arrows) {
      lines.push(`  ${name} ${arrow}${label === '' ? '' : `|${label}|`} ${target}`);
      if (!waiting.includes(target)) waiting.push(target);
    }
  }
  return ['flowchart TD', ...lines].join('\n');
}

/** Follows states that do no work. Each path is labelled with the conditions on it. */
function targetsOf(states: Definition['States'], name: string, label = ''): { name: string; label: string }[] {
  const { Type, Next, Default, Choices } = stateOf(states, name);
  if (Type in shapes) return [{ name, label }];
  const paths = [
    ...Choices.map((choice) => [choice.Next, choice.StringEquals ?? choice.Variable.split('.').at(-1) ?? '']),
    ...[Next ?? Default].filter((each) => each !== undefined).map((next) => [next, '']),
  ] as [string, string][];
  return paths.flatMap(([next, condition]) => targetsOf(states, next, [label, condition].filter(Boolean).join(', ')));
}

function stateOf(states: Definition['States'], name: string): Definition['States'][string] {
  const found = states[name];
  if (!found) throw new Error(`the definition has no state ${name}`);
  return found;
}

/** Returns a name in words: `Update config` for `UpdateConfig`. */
function wordsOf(name: string): string {
  const words = name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
