// What the routes answer; answers.py says the same.

export interface Use {
  dag_id: string;
  run_id: string;
}

export interface Span {
  start: string;
  stop: string;
}

export interface Age {
  age: number | null;
  problem: string | null;
}

export interface Credits {
  left: number;
  used_monthly: number;
  next_billing: string | null;
}

export interface Account extends Age {
  conn_id: string;
  conn_type: string;
  credits: Credits | null;
  exports: number;
  counts: Record<string, number>;
}

export interface Export {
  id: string;
  conn_id: string;
  collector_id: string | null;
  dataset_id: string | null;
  segments: number | null;
  status: string;
  is_unfinished: boolean;
  window: Span | null;
  created: string | null;
  exported: number | null;
  expected: number | null;
  matching: number | null;
  credits: number | null;
  per_second: number | null;
  seconds_left: number | null;
  readable_until: string | null;
  landings: string[];
  flags: string[];
  uses: Use[];
  messages: string[];
  may_abort: boolean;
}

export interface Exports {
  accounts: Account[];
  places: number;
  total: number;
  rows: Export[];
}

export interface Collector {
  id: string;
  conn_id: string;
  state: string;
  exports: string[];
  results: number | null;
  readable_until: string | null;
  uses: Use[];
  may_delete: boolean;
  is_drained: boolean;
}

export interface Collectors {
  accounts: Account[];
  places: number;
  total: number;
  rows: Collector[];
}

export interface Landing {
  id: string;
  address: string;
  system: string;
  export_id: string | null;
  collector_id: string | null;
  scope: string | null;
  query: string | null;
  topics: string[];
  window: Span | null;
  file_format: string;
  results: number;
  exported: number | null;
  matching: number | null;
  bytes: number;
  parts: number;
  duplicates_dropped: number;
  foreign_dropped: number;
  requests: number | null;
  gaps: number | null;
  created: string;
  flags: string[];
  uses: Use[];
}

export interface Landings extends Age {
  places: string[];
  problems: string[];
  total: number;
  rows: Landing[];
  sought: Landing | null;
}

export interface Part {
  name: string;
  results: number;
  bytes: number;
  sha256: string;
  coercion_failures: number;
}

export interface Parts {
  total: number;
  rows: Part[];
}

export interface Spending extends Age {
  conn_id: string;
  credits: Credits | null;
  days: { day: string; used: number }[];
}

export interface Usage extends Age {
  conn_id: string;
  month: string | null;
  used: Record<string, number>;
}

export interface Spendings {
  credits: Spending[];
  usage: Usage[];
}

export interface Track {
  scope: string;
  topic: string;
  query: string;
  first: string;
  states: string;
  results: number[];
  bought_twice: number[];
  counts: Record<string, number>;
}

export interface Coverage extends Age {
  places: string[];
  tracks: Track[];
}
