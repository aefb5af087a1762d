/**
 * The script of every page. The page is complete without it: it filters rows, copies texts and unfolds for the printer.
 * It reads the document only, and writes no markup.
 */
export const script = `
(() => {
  const root = document.documentElement;
  root.classList.add('js');
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  document.addEventListener('click', async ({ target }) => {
    const button = target.closest('button[data-copies]');
    if (!button) return;
    const text = button.previousElementSibling.textContent;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      if (!document.execCommand('copy')) return;
    }
    button.textContent = 'copied';
    setTimeout(() => (button.textContent = 'copy'), 2000);
  });
  for (const form of all('[data-filters]')) {
    const section = form.closest('section');
    const field = form.querySelector('[type=search]');
    const rows = all('tr[data-s]', section).map((row) => [row, row.textContent.toLowerCase()]);
    const status = form.querySelector('output');
    const filter = () => {
      const words = field.value.trim().toLowerCase();
      const wanted = form.querySelector(':checked')?.value ?? '';
      let shown = 0;
      for (const [row, text] of rows) {
        const fits = (!wanted || row.dataset.s === wanted) && text.includes(words);
        row.hidden = !fits;
        if (fits) shown++;
      }
      if (words || wanted) for (const details of all('details', section)) if (details.querySelector('tr[data-s]')) details.open = true;
      status.textContent = words || wanted ? shown + ' of ' + rows.length + ' shown' : '';
    };
    form.addEventListener('input', filter);
    filter();
  }
  let closed = [];
  addEventListener('beforeprint', () => {
    closed = all('details:not([open])');
    for (const details of closed) details.open = true;
  });
  addEventListener('afterprint', () => {
    for (const details of closed) details.open = false;
  });
})();
`;
