import { parseSync } from '@swc/core';

/** A small mistake: `[start, end)` of the source, in bytes, replaced by `replacement`. */
export interface Mutant {
  start: number;
  end: number;
  replacement: string;
  line: number;
  /** The source as it was, for the report. */
  original: string;
}

type Node = { type: string; span?: { start: number; end: number } } & Record<string, unknown>;

const swapped: Readonly<Record<string, string>> = {
  '===': '!==',
  '!==': '===',
  '<': '<=',
  '<=': '<',
  '>': '>=',
  '>=': '>',
  '+': '-',
  '-': '+',
  '&&': '||',
  '||': '&&',
};
const opposite: Readonly<Record<string, string>> = {
  some: 'every',
  every: 'some',
  toSorted: 'slice',
};

/**
 * Lists every mutant of a TypeScript source, in its order: conditions forced both ways, operators swapped, booleans and
 * numbers changed, negations and calls removed, filters that let everything pass. Texts for people are left alone.
 */
export function mutantsOf(source: string): Mutant[] {
  // Spans of swc count from the first token of all that the process has parsed; a token put in front tells where.
  const module = parseSync(`;${source}`, { syntax: 'typescript', target: 'es2024' });
  const offset = module.span.start + 1;
  const bytes = Buffer.from(source);
  const mutants: Mutant[] = [];
  const textOf = (node: Node) => bytes.subarray(startOf(node), endOf(node)).toString();
  const startOf = ({ span }: Node) => (span?.start ?? 0) - offset;
  const endOf = ({ span }: Node) => (span?.end ?? 0) - offset;
  const replace = (node: Node, replacement: string) => put(startOf(node), endOf(node), replacement);
  const put = (start: number, end: number, replacement: string) => {
    const original = bytes.subarray(start, end).toString();
    const line = bytes.subarray(0, start).toString().split('\n').length;
    if (original !== replacement) mutants.push({ start, end, replacement, line, original });
  };
  const force = (test: Node | undefined) => {
    if (test) for (const value of ['true', 'false']) replace(test, value);
  };

  const visitors: Readonly<Record<string, (node: Node) => void>> = {
    IfStatement: (node) => force(node['test'] as Node),
    ConditionalExpression: (node) => force(node['test'] as Node),
    WhileStatement: (node) => replace(node['test'] as Node, 'false'),
    BinaryExpression: (node) => {
      const [left, right, operator] = [node['left'] as Node, node['right'] as Node, node['operator'] as string];
      if (operator === '??') return replace(node, textOf(left));
      const other = swapped[operator];
      const joinsTexts = operator === '+' && [left, right].some(({ type }) => /String|Template/.test(type));
      if (other === undefined || joinsTexts) return;
      const between = bytes.subarray(endOf(left), startOf(right)).toString();
      put(
        endOf(left),
        startOf(right),
        between.replace(operator, () => other),
      );
    },
    BooleanLiteral: (node) => replace(node, String(node['value'] !== true)),
    NumericLiteral: (node) => replace(node, String((node['value'] as number) + 1)),
    UnaryExpression: (node) => {
      if (node['operator'] === '!') replace(node, textOf(node['argument'] as Node));
    },
    ExpressionStatement: (node) => {
      let call = node['expression'] as Node;
      if (call.type === 'AwaitExpression') call = call['argument'] as Node;
      if (call.type === 'CallExpression') replace(node, ';');
    },
    CallExpression: (node) => {
      const callee = node['callee'] as Node;
      if (callee.type !== 'MemberExpression') return;
      const property = callee['property'] as Node;
      const name = property['value'] as string;
      if (name === 'filter') replace(node, `${textOf(callee['object'] as Node)}.slice()`);
      const other = Object.hasOwn(opposite, name) ? opposite[name] : undefined;
      if (other !== undefined) replace(property, other);
    },
  };

  const visit = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(visit);
    if (typeof value !== 'object' || value === null) return;
    const node = value as Node;
    if (/^(Ts|Import)/.test(node.type ?? '') && node.type !== 'TsAsExpression' && node.type !== 'TsNonNullExpression')
      return;
    visitors[node.type]?.(node);
    Object.values(node).forEach(visit);
  };
  visit(module.body);
  return mutants.toSorted((a, b) => a.start - b.start);
}

/** The source with the mistake in it. */
export function apply(source: string, { start, end, replacement }: Mutant): string {
  const bytes = Buffer.from(source);
  return Buffer.concat([bytes.subarray(0, start), Buffer.from(replacement), bytes.subarray(end)]).toString();
}

/**
 * The reason, given in its place, why a mutant cannot be noticed: a comment `// Survives mutation: …` on its line or on
 * the line above.
 */
export function explanationOf(source: string, { line }: Mutant): string | undefined {
  const lines = source.split('\n');
  const above = [lines[line - 1], lines[line - 2]];
  return above.flatMap((text) => /\/\/ Survives mutation: (.+)/.exec(text ?? '')?.[1] ?? [])[0];
}
