// Numbers and reasons in words.

export const rate = (value) => value == null ? '–' : value === 0 ? '0' : value < 0.095 ? value.toFixed(2) : value < 9.95 ? value.toFixed(1) : short(value);

export const short = (value) => {
  if (value == null) return '–';
  const size = Math.abs(value);
  if (size >= 9.95e5) return `${(value / 1e6).toFixed(size < 9.95e6 ? 1 : 0)}M`;
  if (size >= 9995) return `${(value / 1e3).toFixed(size < 9.95e4 ? 1 : 0)}k`;
  return Math.round(value).toLocaleString('en');
};

export const percent = (value) => {
  if (value == null) return '–';
  const points = value * 100;
  return `${points > 0 && points < 0.95 ? points.toFixed(1) : Math.round(points)} %`;
};

export const seconds = (value) => {
  if (value == null) return '–';
  if (value < 0.9995) return `${Math.round(value * 1000)} ms`;
  if (value < 9.95) return `${value.toFixed(1)} s`;
  if (value < 99.5) return `${Math.round(value)} s`;
  return value < 5940 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3600)} h`;
};

// Ages are not telling below a second.
export const age = (value) => value == null ? 'never' : value < 1 ? '< 1 s' : value < 99.5 ? `${Math.round(value)} s` : seconds(value);

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

// What is in the way of reading an engine, and why routers have given an endpoint up.
const PROBLEMS = {
  ConnectionFailed: 'metrics: no connection', TimedOut: 'metrics: no answer in time', Unreadable: 'metrics: not readable', Redirected: 'metrics: redirected elsewhere',
  Encoded: 'metrics: compressed', TooLarge: 'metrics: too large', MissingCA: 'metrics: no authority to trust', InvalidCA: 'metrics: the authority cannot be read',
  AddressRefused: 'metrics: the address is not allowed', ResolutionFailed: 'metrics: the name is not resolved',
  TLSFailed: 'metrics: TLS fails', InvalidURL: 'metrics: no URL', ConnectionLost: 'metrics: the connection broke', ProtocolError: 'metrics: no HTTP',
  NoSeries: 'metrics: not those of the engine', NoSelector: 'metrics: nothing to read is named', Defect: 'metrics: a defect, see the log',
  connect: 'routers cannot connect', error: 'requests fail', slow: 'requests get no answer in time', check: 'health checks fail',
  credential: 'the credential is refused',
};

export const problem = (text) => {
  const [, kind, rest] = /^(\S+)(.*)$/s.exec(text) ?? ['', text, ''];
  const status = /^Status(\d+)$/.exec(kind);
  return (PROBLEMS[kind] ?? (status ? `metrics: status ${status[1]}` : kind)) + rest;
};

export const clock = (at) => new Date(at * 1000).toLocaleTimeString('en-GB');

// What a reason of the law means: the short form beside a number, and whether it is good news.
export function reason(target, backend, mode) {
  switch (target.reason) {
    case 'Declared': return { text: target.effective > 1.05 * target.base ? 'takes over from another' : 'as declared', tone: '' };
    case 'Overloaded': return { text: `overloaded${backend?.utilization != null ? `, ${percent(backend.utilization)} used` : ''}`, tone: 'warn' };
    case 'Base': return { text: mode === 'Disabled' ? 'equal shares' : 'by capacity', tone: '' };
    case 'Held': return { text: 'held: sample is late', tone: 'warn' };
    case 'Stale': return { text: 'base: sample too old', tone: 'warn' };
    case 'NoEndpoint': return { text: 'no endpoint', tone: 'bad' };
    case 'Load': {
      const behind = backend?.delay != null && backend.delay >= 0.05 ? `, ${seconds(backend.delay)} of work` : '';
      if (target.effective < 0.85 * target.base) return { text: `behind${behind}`, tone: 'warn' };
      if (target.effective > 1.15 * target.base) return { text: `has room${behind}`, tone: '' };
      return { text: `by load${behind}`, tone: '' };
    }
    case '': return { text: 'not known yet', tone: '' };
    default: return { text: target.reason, tone: '' };
  }
}

// The same for a place in the past, where only the reason is known.
export const past = {
  Declared: 'as declared', Overloaded: 'overloaded', Base: 'by capacity', Load: 'by load',
  Held: 'sample late', Stale: 'sample too old', NoEndpoint: 'no endpoint',
};
