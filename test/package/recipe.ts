import { readFileSync } from 'node:fs';

/** An instruction of a recipe: its keyword, its flags, and its words. */
interface Instruction {
  readonly keyword: string;
  readonly flags: Readonly<Record<string, string>>;
  readonly words: readonly string[];
}

/** The instructions of one stage, and its name if it has one. */
export interface Stage {
  readonly name: string | undefined;
  readonly instructions: readonly Instruction[];
}

/** Reads a recipe of images: the part of the language that ours is written in. */
export function readRecipe(file: string): Stage[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const instructions = lines.filter((line) => line !== '' && !line.startsWith('#')).map(instructionOf);
  const starts = instructions.flatMap(({ keyword }, index) => (keyword === 'FROM' ? [index] : []));
  return starts.map((start, index) => ({
    name: instructions[start]?.words[2],
    instructions: instructions.slice(start + 1, starts[index + 1]),
  }));
}

/** Returns the words of the last instruction of a stage with a keyword. */
export function last(stage: Stage, keyword: string): readonly string[] {
  return stage.instructions.findLast((instruction) => instruction.keyword === keyword)?.words ?? [];
}

function instructionOf(line: string): Instruction {
  const [, keyword = '', before = '', rest = ''] = /^([A-Z]+) ((?:--\S+ )*)(.*)$/.exec(line) ?? [];
  if (keyword === '' || line.endsWith('\\')) throw new Error(`this test does not read the line: ${line}`);
  const flags = before.split(' ').flatMap((flag) => {
    const [, name, value] = /^--(\w+)=(.*)$/.exec(flag) ?? [];
    return name === undefined || value === undefined ? [] : [[name, value]];
  });
  const words = rest.startsWith('[') ? (JSON.parse(rest) as string[]) : rest.split(' ');
  return { keyword, flags: Object.fromEntries(flags) as Record<string, string>, words };
}
