/** Prints lines on standard output. */
export function say(...lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`);
}

/** Renders the name and the address of a server. */
export function place([name, address]: readonly [string, string]): string {
  return `  ${name.padEnd(22)}${address}`;
}
