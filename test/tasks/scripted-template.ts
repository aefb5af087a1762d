import type { Template } from '../../functions/runtime/template.ts';

/** A template whose answers come from a test: `answer` gets each call and its number. No answer: it is still running. */
export function scriptedTemplate<Call extends { name: string; input: object }>(
  answer: (call: Call, count: number) => unknown,
) {
  const calls: Call[] = [];
  const template = (): Template => ({
    async call(name, input) {
      const call = { name, input } as Call;
      calls.push(call);
      const output = answer(call, calls.length);
      return output === undefined ? { running: true } : { output };
    },
  });
  return { calls, template };
}
