export { printable } from '../http/printable.ts';
