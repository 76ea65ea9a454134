// All backends together, in five numbers.

import { el, say, svg } from './dom.js';
import * as words from './words.js';

const sum = (backends, of) => backends.reduce((total, each) => total + (of(each) ?? 0), 0);

// A mean by requests, of those that know it.
function mean(backends, of) {
  const known = backends.filter((each) => of(each) != null);
  const weight = sum(known, (each) => each.requests);
  return weight > 0 ? sum(known, (each) => of(each) * each.requests) / weight : known.length ? of(known[0]) : null;
}

const TILES = [
  { title: 'Requests', unit: '/s', of: (all) => sum(all, (each) => each.requests), text: words.rate, more: (all) => `${words.short(sum(all, (each) => each.running))} running` },
  { title: 'Time to first token', of: (all) => mean(all, (each) => each.firstToken), text: words.seconds, more: () => 'mean of the last 10 s' },
  { title: 'Errors', of: (all) => mean(all, (each) => each.errors), text: words.percent, tone: (value) => value >= 0.05 ? 'bad' : value > 0.005 ? 'warn' : '', more: () => 'of attempts at backends' },
  { title: 'Waiting', of: (all) => all.some((each) => each.waiting != null) ? sum(all, (each) => each.waiting) : null, text: words.short, more: () => 'queued in engines' },
  { title: 'Tokens', unit: '/s', of: (all) => sum(all, (each) => each.tokens), text: words.short, more: (all) => capacity(all) },
];

function capacity(all) {
  const known = all.filter((each) => each.tokens > 0);
  const total = known.every((each) => each.capacity) ? sum(known, (each) => each.capacity) : 0;
  return total ? `${words.percent(sum(known, (each) => each.tokens) / total)} of ${words.short(total)}` : 'capacity not known yet';
}

export class Tiles {
  constructor() {
    this.tiles = TILES.map((tile) => {
      const value = el('span');
      const more = el('div', { class: 'more' });
      const line = svg('path');
      const under = svg('path', { class: 'under' });
      const node = el('div', { class: 'tile' }, el('h3', {}, tile.title),
        svg('svg', { viewBox: '0 0 100 40', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, under, line),
        el('div', { class: 'value' }, value, tile.unit ? el('small', {}, tile.unit) : null), more);
      return { ...tile, node, value, more, words: tile.more, line, under };
    });
    document.getElementById('tiles').replaceChildren(...this.tiles.map((tile) => tile.node));
  }

  update(view, store) {
    for (const tile of this.tiles) {
      const now = tile.of(view.backends);
      say(tile.value, tile.text(now));
      say(tile.more, tile.words(view.backends));
      tile.node.className = `tile ${tile.tone?.(now) ?? ''}`;
      this.spark(tile, store);
    }
  }

  spark(tile, store) {
    const columns = [...store.backends.values()];
    const every = Math.max(1, Math.floor(store.times.length / 120));
    const end = store.times.at(-1);
    const past = Math.min(900, Math.max(120, end - store.times[0]));
    const points = [];
    for (let index = store.times.length % every; index < store.times.length; index += every) {
      const all = columns.map((each) => ({ requests: each.requests[index], firstToken: each.firstToken[index], errors: each.errors[index], waiting: each.waiting[index], tokens: each.tokens[index] }));
      const value = all.some((each) => each.requests != null) ? tile.of(all) : null;
      if (value != null) points.push([100 - 100 * (end - store.times[index]) / past, value]);
    }
    const most = Math.max(1e-9, ...points.map(([, value]) => value)) * 1.15;
    const d = points.map(([x, value], index) => `${index ? 'L' : 'M'}${x.toFixed(1)},${(38 - 36 * value / most).toFixed(1)}`).join('');
    tile.line.setAttribute('d', points.length > 1 ? d : '');
    tile.under.setAttribute('d', points.length > 1 ? `${d}L${points.at(-1)[0]},40L${points[0][0]},40z` : '');
  }
}
