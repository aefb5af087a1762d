import { afterEach, describe, expect, it } from '@jest/globals';
import { paint, screenOf } from '../../infra/local/screen.ts';

const variable = process.env['NO_COLOR'];
afterEach(() => {
  delete process.env['NO_COLOR'];
  if (variable !== undefined) process.env['NO_COLOR'] = variable;
});

const terminal = (columns = 90) => ({ isTTY: true, columns, hasColors: () => true }) as unknown as NodeJS.WriteStream;

describe('colours', () => {
  it('appear on terminals', () => {
    expect(screenOf(terminal())).toEqual({ columns: 90, colours: true });
    expect(paint(screenOf(terminal()), 'green', 'ok')).toBe('\u001b[32mok\u001b[39m');
  });

  it('end with NO_COLOR, which must not be empty', () => {
    process.env['NO_COLOR'] = '1';
    expect(paint(screenOf(terminal()), 'green', 'ok')).toBe('ok');
    process.env['NO_COLOR'] = '';
    expect(screenOf(terminal())).toHaveProperty('colours');
  });

  it('end with --no-color', () => {
    expect(screenOf(terminal(), false)).toEqual({ columns: 90 });
  });

  it('never get into a file or a pipe, which has no width either', () => {
    expect(screenOf({ isTTY: false } as NodeJS.WriteStream)).toEqual({});
  });
});

it('takes a terminal that reports no width as 80 columns wide, and none as less than 40', () => {
  expect(screenOf(terminal(0)).columns).toBe(80);
  expect(screenOf(terminal(12)).columns).toBe(40);
});
