'use strict';
(() => {
  const key = (cell) => cell.dataset.value ?? cell.textContent.trim();

  const sortBy = (table, column, down) => {
    const sign = down ? -1 : 1;
    for (const body of table.tBodies) {
      const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
      const numeric = rows.every(([value]) => value === '' || !Number.isNaN(Number(value)));
      rows.sort(([a], [b]) => {
        if (a === '' || b === '') return (a === '') - (b === '');
        return sign * (numeric ? Number(a) - Number(b) : a.localeCompare(b, undefined, { numeric: true }));
      });
      body.append(...rows.map(([, row]) => row));
    }
    table.classList.toggle('resorted', true);
    [...table.tHead.rows[0].cells].forEach((head, place) => {
      if (place === column) head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      else head.removeAttribute('aria-sort');
    });
  };

  for (const table of document.querySelectorAll('table.sortable')) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      if (head.dataset.sort === 'no') return;
      const button = document.createElement('button');
      button.type = 'button';
      button.className = 'sort';
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener('click', () => {
        const now = head.getAttribute('aria-sort');
        sortBy(table, column, now ? now === 'ascending' : head.classList.contains('number') && head.dataset.first !== 'low');
      });
    });
  }

  for (const field of document.querySelectorAll('input[data-filters]')) {
    const table = document.getElementById(field.dataset.filters);
    const count = document.querySelector(`output[data-counts="${field.dataset.filters}"]`);
    const show = () => {
      const words = field.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
      for (const row of rows) {
        const text = row.textContent.toLocaleLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      count.textContent = words.length ? `${shown} of ${rows.length}` : '';
    };
    field.addEventListener('input', show);
    field.closest('[hidden]')?.removeAttribute('hidden');
  }

  for (const list of document.querySelectorAll('[role="tablist"]')) {
    const tabs = [...list.querySelectorAll('[role="tab"]')];
    const choose = (chosen, focus) => {
      for (const tab of tabs) {
        const on = tab === chosen;
        tab.setAttribute('aria-selected', String(on));
        tab.tabIndex = on ? 0 : -1;
        document.getElementById(tab.getAttribute('aria-controls')).hidden = !on;
      }
      if (focus) chosen.focus();
    };
    tabs.forEach((tab, place) => {
      tab.addEventListener('click', () => choose(tab, false));
      tab.addEventListener('keydown', (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step) choose(tabs[(place + step + tabs.length) % tabs.length], true);
      });
    });
    list.hidden = false;
    choose(tabs.find((tab) => tab.getAttribute('aria-selected') === 'true') ?? tabs[0], false);
  }

  const theme = document.querySelector('button.theme');
  const dark = () => {
    const set = document.documentElement.dataset.theme;
    return set ? set === 'dark' : matchMedia('(prefers-color-scheme: dark)').matches;
  };
  const label = () => { theme.textContent = dark() ? 'Light' : 'Dark'; };
  theme.addEventListener('click', () => {
    document.documentElement.dataset.theme = dark() ? 'light' : 'dark';
    label();
  });
  theme.hidden = false;
  label();

  addEventListener('beforeprint', () => {
    for (const one of document.querySelectorAll('details')) one.open = true;
  });
})();
