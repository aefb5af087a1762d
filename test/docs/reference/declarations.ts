import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Comment, parseSync, type Program } from 'oxc-parser';

/** A docstring: its paragraphs, and the text of each tag. */
export interface Docs {
  readonly paragraphs: readonly string[];
  readonly tags: Readonly<Record<string, string>>;
}

/** A property or a method. */
export interface Member {
  readonly kind: 'property' | 'method';
  readonly name: string;
  /** The type of a property, the signature of a method. */
  readonly type: string;
  readonly docs: Docs;
}

/** A declaration as a page shows it. `base` has the names of the interfaces that an interface extends. */
export interface Declared {
  readonly name: string;
  readonly docs: Docs;
  readonly members: readonly Member[];
  /** The text of a type alias, or of the type of a constant. */
  readonly type: string | undefined;
  readonly base: readonly string[];
}

/** Declarations by their names: all of the files, and those that `index.d.ts` exports in their order. */
export interface Declarations {
  readonly all: ReadonlyMap<string, Declared>;
  readonly exported: readonly string[];
}

/** Reads the declarations in `folder` that `index.d.ts` reaches. */
export function readDeclarations(folder: string): Declarations {
  const all = new Map<string, Declared>();
  const namesOf = new Map<string, readonly string[]>();
  const read = (file: string): readonly string[] => {
    const known = namesOf.get(file);
    if (known) return known;
    const own: string[] = [];
    namesOf.set(file, own);
    const text = readFileSync(file, 'utf8');
    const { program, comments, errors } = parseSync(file, text);
    if (errors.length > 0) throw new Error(`${file}: ${errors.map(({ message }) => message).join('; ')}`);
    const target = (source: string) => join(dirname(file), source.replace(/\.js$/, '.d.ts'));
    for (const statement of program.body) {
      if (statement.type === 'ExportAllDeclaration') own.push(...read(target(statement.source.value)));
      else if (statement.type === 'ExportNamedDeclaration' && statement.source) {
        read(target(statement.source.value));
        own.push(...statement.specifiers.map(({ exported }) => ('name' in exported ? exported.name : exported.value)));
      } else {
        const isExport = statement.type === 'ExportNamedDeclaration';
        const declaration = isExport ? statement.declaration : statement;
        if (!declaration) continue;
        const source = { text, comments };
        const declared = declaredBy(declaration, docsBefore(statement.start, source), source);
        if (!declared) continue;
        all.set(declared.name, declared);
        if (isExport) own.push(declared.name);
      }
    }
    return own;
  };
  const exported = [...new Set(read(join(folder, 'index.d.ts')))];
  return { all, exported };
}

interface Source {
  readonly text: string;
  readonly comments: readonly Comment[];
}

function declaredBy(declaration: Program['body'][number], docs: Docs, source: Source): Declared | undefined {
  const { text } = source;
  const slice = ({ start, end }: { start: number; end: number }) => text.slice(start, end);
  switch (declaration.type) {
    case 'ClassDeclaration': {
      const members = declaration.body.body.flatMap((node) => memberOf(node, source));
      return { name: declaration.id?.name ?? '', docs, members, type: undefined, base: [] };
    }
    case 'TSInterfaceDeclaration': {
      const members = declaration.body.body.flatMap((node) => memberOf(node, source));
      const base = declaration.extends.map(({ expression }) => slice(expression));
      return { name: declaration.id.name, docs, members, type: undefined, base };
    }
    case 'TSTypeAliasDeclaration':
      return {
        name: declaration.id.name,
        docs,
        members: [],
        type: slice(declaration.typeAnnotation),
        base: [],
      };
    case 'VariableDeclaration': {
      const [variable] = declaration.declarations;
      if (variable?.id.type !== 'Identifier') return undefined;
      const annotation = variable.id.typeAnnotation?.typeAnnotation;
      const members =
        annotation?.type === 'TSTypeLiteral' ? annotation.members.flatMap((node) => memberOf(node, source)) : [];
      const type = annotation ? slice(annotation) : variable.init ? slice(variable.init) : undefined;
      return { name: variable.id.name, docs, members, type, base: [] };
    }
    default:
      return undefined;
  }
}

interface MemberNode {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

/** Returns the public properties and methods that a node of a class or an interface declares. */
function memberOf(node: MemberNode, source: Source): Member[] {
  const text = source.text.slice(node.start, node.end).replace(/;$/, '');
  const docs = docsBefore(node.start, source);
  if (text.startsWith('#') || text.startsWith('constructor')) return [];
  const accessor = /^get (\w+)\(\): ([^]+)$/.exec(text);
  const property = accessor ?? /^(?:readonly )?(\w+)\??: ([^]+)$/.exec(text);
  if (property) {
    const [, name = '', type = ''] = property;
    return [{ kind: 'property', name, type: withoutUndefined(type), docs }];
  }
  const [, method] = /^(\w+)\(/.exec(text) ?? [];
  if (method === undefined) throw new Error(`the page cannot show the declaration ${text}`);
  return [{ kind: 'method', name: method, type: text, docs }];
}

/** Removes the `undefined` that every optional prop allows. */
function withoutUndefined(type: string): string {
  return type
    .replaceAll(/\s+/g, ' ')
    .replace(/^\| /, '')
    .replace(/ \| undefined$/, '');
}

/** Returns the docstring that ends right before `start`. */
function docsBefore(start: number, { text, comments }: Source): Docs {
  const comment = comments.findLast(({ end }) => end <= start && text.slice(end, start).trim() === '');
  if (!comment?.value.startsWith('*')) return { paragraphs: [], tags: {} };
  const plain = comment.value
    .slice(1)
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n');
  const [body = '', ...tagged] = plain.split(/^\s*@(?=\w)/m);
  const tags = tagged.map((tag) => {
    const [, name = '', value = ''] = /^(\w+)\s*([^]*)$/.exec(tag) ?? [];
    return [name, value.trim()] as const;
  });
  const paragraphs = body.trim() === '' ? [] : body.trim().split(/\n\s*\n/);
  return {
    paragraphs: paragraphs.map((paragraph) => paragraph.replaceAll(/\s*\n\s*/g, ' ')),
    tags: Object.fromEntries(tags),
  };
}
