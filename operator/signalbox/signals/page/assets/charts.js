// Lines and areas over time, by uPlot: themed, told to screen readers, moved through with the arrow keys.

import { colour, soft, token } from './colours.js';
import { el, say } from './dom.js';
import * as words from './words.js';

const MINUTES = 15;
// What has just begun is drawn over so long.
const LEAST_SECONDS = 120;
const MANY = 10;
const tip = () => document.getElementById('tip');

// Small charts move together.
const together = uPlot.sync('load');

export class Chart {
  // rows: (index) => [{name, colour, value, note}] for the tip; format: of a value.
  constructor(host, { label, height, format, stacked = false, floor = 0, least = 1 }) {
    Object.assign(this, { host, label, height, format, stacked, floor, least, keys: '', lines: [] });
    this.node = el('div', { class: 'plot', role: 'img', tabindex: '0' });
    host.append(this.node);
    this.node.addEventListener('keydown', (event) => this.key(event));
    this.node.addEventListener('blur', () => this.leave());
    new ResizeObserver(() => this.plot?.setSize({ width: Math.max(120, this.node.clientWidth), height: this.height })).observe(this.node);
  }

  // lines: [{name, backend, values, notes?}]; picked: names of backends to be lit.
  show(times, lines, picked) {
    this.lines = lines;
    this.times = times;
    const keys = JSON.stringify([lines.map((line) => line.name), [...picked]]);
    const data = [times, ...(this.stacked ? stack(times, lines) : lines.map((line) => line.values))];
    if (keys !== this.keys || !this.plot) {
      this.keys = keys;
      this.make(data, lines, picked);
    } else {
      this.plot.setData(data, false);
      this.range(times);
      this.plot.redraw(false, true);
    }
    const now = times.length - 1;
    const latest = this.rows(now).slice(0, 8).map((row) => `${row.name} ${row.text}`).join(', ');
    this.node.setAttribute('aria-label', `${this.label}, last ${MINUTES} minutes. Now: ${latest || 'nothing known'}. Arrow keys go through time.`);
  }

  range(times) {
    const end = times.at(-1) ?? 0;
    const past = end - (times[0] ?? end);
    this.plot.setScale('x', { min: end - Math.min(MINUTES * 60, Math.max(LEAST_SECONDS, past)), max: end });
  }

  make(data, lines, picked) {
    this.plot?.destroy();
    const lit = (line) => picked.size === 0 || picked.has(line.backend);
    const some = lines.some((line) => picked.has(line.backend)) ? lit : () => true;
    const many = lines.length > MANY;
    const series = lines.map((line) => {
      const on = some(line);
      if (this.stacked) {
        return { stroke: () => colour(line.backend, on ? 1 : 0.3), width: many ? 0.6 : 1.3, fill: () => on ? soft(line.backend) : token('--faint'), paths: uPlot.paths.stepped({ align: 1 }), points: { show: false } };
      }
      const faded = !on ? 0.14 : many && picked.size === 0 ? 0.55 : 1;
      return { stroke: () => colour(line.backend, faded), width: on && picked.size ? 2.2 : many ? 1.1 : 1.7, points: { show: false }, spanGaps: false };
    });
    const axis = { stroke: () => token('--mute'), font: '11px system-ui, sans-serif', ticks: { show: false }, grid: { stroke: () => token('--line'), width: 1 } };
    const options = {
      width: Math.max(120, this.node.clientWidth), height: this.height, legend: { show: false }, padding: [8, 18, 0, 0],
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false }, ...(this.stacked ? {} : { sync: { key: together.key, setSeries: false } }) },
      scales: { x: { time: true, auto: false }, y: { range: (_, low, high) => this.stacked ? [0, 1] : [this.floor, Math.max(this.least, (high ?? 0) * 1.12)] } },
      axes: [
        { ...axis, grid: { show: false }, size: 24, space: 58, values: (_, ticks, axis, space, step) => ticks.map((at) => words.clock(at).slice(0, step < 60 ? 8 : 5)) },
        { ...axis, size: 52, space: 34, values: (_, ticks) => ticks.map((value) => this.format(value)) },
      ],
      series: [{}, ...series],
      hooks: { setCursor: [(plot) => this.pointed(plot)] },
    };
    this.plot = new uPlot(options, data, this.node);
    this.plot.over.addEventListener('mouseenter', () => { this.over = true; });
    this.plot.over.addEventListener('mouseleave', () => this.leave());
    this.range(this.times);
  }

  rows(index) {
    const rows = this.lines
      .map((line) => ({ name: line.name, colour: colour(line.backend), value: line.values[index], note: line.notes?.(index) ?? '' }))
      .filter((row) => row.value != null)
      .map((row) => ({ ...row, text: `${this.format(row.value)}${row.note ? `, ${row.note}` : ''}` }));
    return this.stacked ? rows : rows.sort((a, b) => b.value - a.value);
  }

  pointed(plot) {
    if (!this.over || plot.cursor.idx == null) return;
    const rows = this.rows(plot.cursor.idx);
    const more = rows.length - 12;
    const box = tip();
    const lines = rows.slice(0, 12).map((row) => {
      const dot = el('i', { class: 'chip', style: { background: row.colour } });
      return el('div', {}, dot, row.name, row.note ? el('em', {}, row.note) : null, el('b', {}, this.format(row.value)));
    });
    box.replaceChildren(el('time', {}, words.clock(plot.data[0][plot.cursor.idx])), ...lines, more > 0 ? el('em', {}, `and ${more} more`) : '');
    box.hidden = false;
    const edge = plot.over.getBoundingClientRect();
    const x = edge.left + plot.cursor.left + 16;
    box.style.left = `${x + box.offsetWidth > innerWidth - 8 ? x - box.offsetWidth - 32 : x}px`;
    box.style.top = `${Math.min(edge.top + 8, innerHeight - box.offsetHeight - 8)}px`;
  }

  key(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -12, PageDown: 12 }[event.key];
    if (event.key === 'Escape') this.leave();
    if (!step || !this.plot) return;
    event.preventDefault();
    const last = this.times.length - 1;
    const index = Math.max(0, Math.min(last, (this.at ?? last + (step < 0 ? 1 : 0)) + step));
    this.at = index;
    this.over = true;
    this.plot.setCursor({ left: this.plot.valToPos(this.times[index], 'x'), top: 10 });
    say(document.getElementById('spoken'), `${words.clock(this.times[index])}: ${this.rows(index).slice(0, 8).map((row) => `${row.name} ${row.text}`).join(', ')}`);
  }

  leave() {
    this.over = false;
    this.at = undefined;
    tip().hidden = true;
    this.plot?.setCursor({ left: -10, top: -10 });
  }

  resize(height) {
    if (height === this.height) return;
    this.height = height;
    this.plot?.setSize({ width: this.node.clientWidth, height });
  }

  theme() {
    this.plot?.redraw(false, false);
  }
}

// The top of each layer, the highest first: each is painted over the one above it. The first line is the uppermost.
function stack(times, lines) {
  const tops = [];
  let below = new Array(times.length).fill(0);
  for (const line of lines.toReversed()) {
    const own = below;
    below = line.values.map((value, index) => own[index] == null || (value == null && own[index] == null) ? null : own[index] + (value ?? 0));
    tops.push(below);
  }
  const empty = (index) => lines.every((line) => line.values[index] == null);
  return tops.reverse().map((top) => top.map((value, index) => empty(index) ? null : value));
}
