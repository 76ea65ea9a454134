// A policy: where its requests go, how its weights moved, and why.

import { Chart } from './charts.js';
import { chip, el, say } from './dom.js';
import { colour } from './colours.js';
import { Flow } from './flow.js';
import * as words from './words.js';

const OPEN = 4;

export class Policy {
  constructor(name, picked, index) {
    this.name = name;
    this.picked = picked;
    this.chosen = '';
    this.title = el('h2', {}, name);
    this.badge = el('span', { class: 'badge' });
    this.note = el('p', { class: 'note' });
    this.says = el('p', { class: 'says', hidden: true });
    const flow = el('div');
    const weights = el('div');
    this.select = el('select', { 'aria-label': 'Which targets', onchange: () => { this.chosen = this.select.value; this.draw(); } });
    this.which = el('h3', {}, 'Weights', this.select);
    this.moves = el('ol', { class: 'moves', 'aria-label': `Moves of the weights of ${name}` });
    this.rows = el('tbody');
    const head = ['Route', 'Target', 'Backend', 'Weight', 'Base', 'Why', 'Requests/s', 'Errors', 'Sample'].map((text, i) => el('th', { class: i > 2 && i !== 5 ? 'n' : null, scope: 'col' }, text));
    const table = el('details', { class: 'table' }, el('summary', {}, 'The same in numbers'), el('div', { class: 'scroll' }, el('table', {}, el('thead', {}, el('tr', {}, ...head)), this.rows)));
    table.addEventListener('toggle', () => this.draw());
    this.table = table;
    this.fold = el('details', { class: 'fold', open: index < OPEN },
      el('summary', { class: 'head' }, this.title, this.badge, this.note),
      this.says,
      this.body = el('div', { class: 'body' }, flow, el('div', {}, this.which, weights, this.moves)),
      table);
    this.fold.addEventListener('toggle', () => this.draw());
    this.node = el('section', { class: 'card policy', 'aria-label': `Policy ${name}` }, this.fold);
    this.flow = new Flow(flow, picked);
    this.chart = new Chart(weights, { label: `Weights of ${name}`, height: 190, format: words.percent, stacked: true });
  }

  update(policy, store, backends) {
    Object.assign(this, { policy, store, backends });
    say(this.badge, policy.mode);
    this.badge.className = `badge ${policy.mode}`;
    say(this.note, `${words.rate(policy.requests)} requests/s · ${MODES[policy.mode](policy)}`);
    this.warn(policy, backends);
    this.draw();
  }

  // What must be known before the numbers below are believed.
  warn(policy, backends) {
    const all = policy.routes.flatMap((route) => route.sets.flatMap((set) => set.targets));
    const named = (reason) => [...new Set(all.filter((target) => target.reason === reason).map((target) => target.name))];
    const gone = named('NoEndpoint');
    const stale = named('Stale');
    const parts = [];
    if (policy.mode === 'Observe') parts.push('Feedback only observes: weights are computed and shown, and requests go as without it.');
    if (policy.mode === 'Disabled') parts.push('Feedback is disabled: requests go by the shares that were declared, or by equal ones.');
    if (gone.length) parts.push(`No usable endpoint: ${list(gone)}. The others have its requests.`);
    if (stale.length) parts.push(`Stale signals: ${list(stale)}. Samples are older than ${words.age(policy.staleAfter)}: back to the base.`);
    this.says.hidden = parts.length === 0;
    this.says.className = `says ${gone.length ? 'bad' : stale.length ? 'warn' : ''}`;
    say(this.says, parts.join(' '));
  }

  draw() {
    if (!this.policy || !this.fold.open) return;
    const { policy, store, backends } = this;
    this.flow.show(policy, backends);
    const sets = policy.routes.flatMap((route) => route.sets.filter((set) => set.targets.length > 1 && set.targets.some((target) => target.effective != null)).map((set) => ({ route, set, key: `${policy.name}/${route.name}/${set.tier}/` })));
    const options = sets.map(({ route, set, key }) => [key, route.sets.length > 1 ? `${route.name}, tier ${set.tier + 1}` : route.name]);
    if (JSON.stringify(options) !== this.options) {
      this.options = JSON.stringify(options);
      this.select.replaceChildren(...options.map(([value, text]) => el('option', { value }, text)));
      const most = sets.toSorted((a, b) => b.set.targets.length - a.set.targets.length)[0];
      if (!sets.some(({ key }) => key === this.chosen)) this.chosen = most?.key ?? '';
      this.select.value = this.chosen;
      this.select.hidden = options.length < 2;
    }
    const found = sets.find(({ key }) => key === this.chosen);
    this.body.classList.toggle('alone', !found);
    if (found) {
      this.weights(found);
      this.list(found.key);
    }
    if (this.table.open) this.numbers();
  }

  weights({ set, key }) {
    const { store } = this;
    const order = this.flow.plan.targets.map((target) => target.name);
    const targets = set.targets.toSorted((a, b) => order.indexOf(a.name) - order.indexOf(b.name));
    const lines = targets.map((target) => {
      const columns = store.weights.get(key + target.name);
      return {
        name: target.name, backend: target.backend, values: columns?.effective ?? store.times.map(() => null),
        notes: (index) => words.past[store.reasons[columns?.reason[index]]] ?? '',
      };
    });
    this.chart.resize(lines.length > 14 ? 420 : 190);
    this.chart.show(store.times, lines, this.picked);
  }

  list(key) {
    const moves = this.store.moves(key, 0.03, 6);
    const targets = new Map(this.policy.routes.flatMap((route) => route.sets.flatMap((set) => set.targets.map((target) => [target.name, target]))));
    const text = JSON.stringify(moves);
    if (text === this.listed && this.moves.childElementCount) return;
    this.listed = text;
    this.moves.replaceChildren(...(moves.length ? moves.map((move) => {
      const tone = { NoEndpoint: 'bad', Overloaded: 'warn', Stale: 'warn', Held: 'warn' }[move.reason] ?? '';
      return el('li', {}, el('time', {}, words.clock(move.until)),
        el('span', { class: 'who' }, chip(colour(targets.get(move.target)?.backend)), move.target),
        el('span', {}, [...new Set([move.from, move.to].map(words.percent))].join(' → ')),
        el('span', { class: `why ${tone}` }, move.back || why(move)));
    }) : [el('li', { class: 'none' }, 'No weight has moved by three points or more.')]));
  }

  numbers() {
    const { policy } = this;
    this.rows.replaceChildren(...policy.routes.flatMap((route) => route.sets.flatMap((set) => set.targets.map((target) => {
      const why = words.reason(target, this.backends.get(target.backend), policy.mode);
      return el('tr', {},
        el('td', {}, route.sets.length > 1 ? `${route.name}, tier ${set.tier + 1}` : route.name),
        el('td', {}, target.name), el('td', {}, target.backend || '–'),
        el('td', { class: 'n' }, words.percent(target.effective)), el('td', { class: 'n' }, words.percent(target.base)),
        el('td', { class: why.tone }, why.text), el('td', { class: 'n' }, words.rate(target.requests)),
        el('td', { class: 'n' }, words.percent(target.errors)), el('td', { class: 'n' }, target.age == null ? '–' : words.age(target.age)));
    }))));
  }

  theme() {
    this.chart.theme();
    this.listed = '';
    this.draw();
  }
}

const MODES = {
  Active: (policy) => `weights move every ${words.age(policy.interval)}`,
  Observe: (policy) => `computed every ${words.age(policy.interval)}, not in force`,
  Disabled: () => 'weights do not move',
};

function why(move) {
  const down = move.to < move.from;
  switch (move.reason) {
    case 'Load': return down ? (move.to > 0.95 * move.base ? 'back towards its capacity' : 'it is behind the others') : 'it has room';
    case 'Base': return 'by capacity';
    case 'Declared': return move.to > 1.05 * move.base ? 'takes over from another' : 'back to what was declared';
    case 'Overloaded': return down ? 'overloaded: others take over' : 'overloaded, recovering';
    case 'NoEndpoint': return 'no usable endpoint';
    case 'Stale': return 'sample too old: back to the base';
    case 'Held': return 'held, others moved';
    default: return move.reason;
  }
}

function list(names) {
  return names.length > 4 ? `${names.slice(0, 4).join(', ')} and ${names.length - 4} more` : names.join(', ');
}
