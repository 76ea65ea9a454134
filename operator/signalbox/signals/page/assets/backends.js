// Backends: a table of what they do now, and charts of what they did.

import { Chart } from './charts.js';
import { chip, el, say } from './dom.js';
import { colour } from './colours.js';
import * as words from './words.js';

const MANY = 12;
const AGE_SECONDS = 6;
const HEAD = [['Backend', ''], ['Used', ''], ['Running', 'n'], ['Waiting', 'n'], ['KV cache', ''], ['Tokens/s of capacity', 'n'], ['First token', 'n'], ['Errors', 'n'], ['Requests/s', 'n'], ['Signal age', 'n'], ['Endpoints', 'n']];
const CHARTS = [
  ['Requests a second', 'requests', words.rate, 1],
  ['Waiting in engines', 'waiting', words.short, 4],
  ['KV cache', 'kvUsage', words.percent, 1],
  ['Time to first token', 'firstToken', words.seconds, 0.1],
  ['Error rate', 'errors', words.percent, 0.05],
  ['Signal age', 'age', words.seconds, 6],
];

export class Backends {
  constructor(picked, changed) {
    this.picked = picked;
    this.changed = changed;
    this.section = document.getElementById('backends');
    this.load = document.getElementById('load');
    this.keys = document.getElementById('keys');
    this.table = this.section.querySelector('table');
    this.table.tHead.append(el('tr', {}, ...HEAD.map(([text, kind]) => el('th', { class: kind || null, scope: 'col' }, text))));
    this.rows = new Map();
    this.charts = CHARTS.map(([label, column, format, least]) => {
      const now = el('span');
      const host = el('div', { class: 'chart' }, el('h3', {}, label, now));
      document.getElementById('charts').append(host);
      return { column, format, now, chart: new Chart(host, { label, height: 150, format, least }) };
    });
  }

  update(view, store) {
    this.section.hidden = this.load.hidden = view.backends.length === 0;
    const endpoints = view.backends.reduce((total, each) => total + each.ready, 0);
    say(document.getElementById('backends-note'), `${words.count(view.backends.length, 'backend')}, ${words.count(endpoints, 'endpoint')} ready`);
    this.table.classList.toggle('many', view.backends.length > MANY);
    const names = view.backends.map((each) => each.name);
    if (JSON.stringify(names) !== this.names) {
      this.names = JSON.stringify(names);
      this.rows = new Map(names.map((name) => [name, new Row(name, () => this.pick(name))]));
      this.table.tBodies[0].replaceChildren(...[...this.rows.values()].map((row) => row.node));
      this.buttons = new Map(names.map((name) => [name, el('button', { class: 'pick', type: 'button', onclick: () => this.pick(name) })]));
      this.keys.replaceChildren(...(names.length > MANY ? [el('span', { class: 'note' }, 'Choose backends in the table above to light them up.')] : this.buttons.values()));
      this.theme();
    }
    for (const each of view.backends) this.rows.get(each.name).update(each, this.picked.has(each.name));
    for (const [name, button] of this.buttons) button.setAttribute('aria-pressed', String(this.picked.has(name)));
    for (const { column, format, now, chart } of this.charts) {
      const lines = names.map((name) => {
        const values = store.backends.get(name)?.[column] ?? store.times.map(() => null);
        return { name, backend: name, values: column === 'age' ? oldest(store.times, values) : values };
      });
      chart.show(store.times, lines, this.picked);
      say(now, summary(column, view.backends, format));
    }
  }

  pick(name) {
    if (!this.picked.delete(name)) this.picked.add(name);
    this.changed();
  }

  theme() {
    for (const [name, row] of this.rows) row.theme(name);
    for (const [name, button] of this.buttons ?? []) button.replaceChildren(chip(colour(name)), name);
    for (const { chart } of this.charts) chart.theme();
  }
}

class Row {
  constructor(name, picked) {
    this.chip = chip(colour(name));
    this.of = el('span', { class: 'of' });
    this.problem = el('span', { class: 'problem' });
    this.pick = el('button', { class: 'pick', type: 'button', onclick: picked }, this.chip, el('span', {}, name, this.of, this.problem));
    this.used = el('td');
    this.usage = el('td');
    this.cells = Array.from({ length: 8 }, () => el('td', { class: 'n' }));
    const [running, waiting, ...rest] = this.cells;
    this.node = el('tr', {}, el('td', {}, this.pick), this.used, running, waiting, this.usage, ...rest);
  }

  update(each, picked) {
    this.pick.setAttribute('aria-pressed', String(picked));
    say(this.of, `${each.model || '–'}${each.engine === 'None' ? '' : ` · ${each.engine}`}`);
    meter(this.used, each.utilization, 0.9, 1.0);
    meter(this.usage, each.kvUsage, 0.85, 0.95);
    const measured = each.engine !== 'None';
    const stale = measured && (each.age == null || (each.staleAfter != null && each.age > each.staleAfter));
    const values = [
      [words.short(each.running)],
      [words.short(each.waiting), each.waiting > each.running ? 'warn' : ''],
      [`${words.short(each.tokens)} / ${words.short(each.capacity)}`],
      [words.seconds(each.firstToken)],
      [words.percent(each.errors), each.errors >= 0.05 ? 'bad' : each.errors > 0.005 ? 'warn' : ''],
      [words.rate(each.requests)],
      [words.age(each.age), stale ? 'warn' : ''],
      [`${each.ready}/${each.total}`, each.ready === 0 ? 'bad' : each.ready < each.total ? 'warn' : ''],
    ];
    values.forEach(([text, tone], index) => { say(this.cells[index], text); this.cells[index].className = `n ${tone ?? ''}`; });
    const text = each.problems.map(words.problem).join(', ') || (each.ready === 0 ? 'no usable endpoint' : stale ? 'signals are stale' : '');
    say(this.problem, text);
    this.pick.title = text;
    this.problem.className = `problem ${each.ready === 0 ? 'bad' : 'warn'}`;
  }

  theme(name) {
    this.chip.style.background = colour(name);
  }
}

function meter(cell, value, warn, bad) {
  const bar = cell.firstChild ?? cell.appendChild(el('span', { class: 'meter', 'aria-hidden': 'true' }, el('i')));
  const text = cell.childNodes[1] ?? cell.appendChild(el('span'));
  bar.className = `meter ${value >= bad ? 'bad' : value >= warn ? 'warn' : ''}`;
  bar.hidden = value == null;
  bar.firstChild.style.width = `${Math.min(1, value ?? 0) * 100}%`;
  say(text, value == null ? '–' : words.percent(value));
}

// An age rises and falls with each sample: what matters is how old one became.
function oldest(times, values) {
  let from = 0;
  return values.map((value, index) => {
    while (times[from] < times[index] - AGE_SECONDS) from += 1;
    return value == null ? null : Math.max(...values.slice(from, index + 1));
  });
}

// One number over a chart: a sum where that makes sense, else the worst.
function summary(column, backends, format) {
  const values = backends.map((each) => each[column]).filter((value) => value != null);
  if (values.length === 0) return '–';
  if (column === 'requests' || column === 'waiting') return format(values.reduce((total, value) => total + value, 0));
  return `${values.length > 1 ? 'at most ' : ''}${format(Math.max(...values))}`;
}
