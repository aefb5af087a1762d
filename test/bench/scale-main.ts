import { cpus } from 'node:os';
import { scaleTable } from './scale-table.ts';
import { type Scale, simulate } from './scale.ts';

/** Prints what runs of so many images cost; numbers of images are the arguments. */
const sizes = process.argv.slice(2).map(Number);
const results: Scale[] = [];
for (const images of sizes.length > 0 ? sizes : [50, 500, 5_000]) {
  console.error(`${images} images …`);
  results.push(await simulate(images));
}
console.log(`Node.js ${process.version}, ${cpus().length} x ${cpus()[0]?.model ?? 'an unknown processor'}\n`);
console.log(scaleTable(results));
