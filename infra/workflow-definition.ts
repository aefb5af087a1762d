import { type Retrier, retriersOf } from './task-retries.ts';
import definition from './workflow.asl.json' with { type: 'json' };

/**
 * The workflow as an Amazon States Language document, with placeholders: `${LambdaInvoke}`, `${PlanFunction}`. The file
 * has only the retriers that are special to a task.
 */
export function readWorkflowDefinition(): string {
  return JSON.stringify(definition, (_, value: { Type?: string; Retry?: Retrier[] } | null) =>
    value?.Type === 'Task' ? { ...value, Retry: retriersOf(value.Retry ?? []) } : value,
  );
}

/** The tasks a definition calls: `${UpdateConfigFunction}` stands for the handler in `functions/update-config`. */
export function tasksOf(definition: string): string[] {
  const names = [...definition.matchAll(/\$\{(\w+)Function\}/g)].map(([, name = '']) =>
    name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, '-').toLowerCase(),
  );
  return [...new Set(names)];
}

/** The placeholder of a task: `UpdateConfigFunction` for `update-config`. */
export function placeholderOf(task: string): string {
  return `${task.replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase())}Function`;
}

/** The resource of every task, in place of `${LambdaInvoke}`. Step Functions runs no resource of another partition. */
export function lambdaInvoke(partition: string): string {
  return `arn:${partition}:states:::lambda:invoke`;
}
