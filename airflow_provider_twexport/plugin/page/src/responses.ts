// What the routes return; rows.py and responses.py say the same.

export interface Run {
  dag_id: string;
  run_id: string;
}

export interface TimeWindow {
  start: string;
  stop: string;
}

export interface Aged {
  age: number | null;
  problem: string | null;
}

export interface Credits {
  /** null where it is unlimited, or not told; `left` says which */
  remaining: number | null;
  left: string;
  next_billing_period: string | null;
}

export interface Account extends Aged {
  conn_id: string;
  service: string;
  is_charged: boolean;
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
  window: TimeWindow | null;
  created: string | null;
  exported: number | null;
  expected: number | null;
  estimated_total: number | null;
  credits: number | null;
  per_second: number | null;
  seconds_left: number | null;
  readable_until: string | null;
  landings: string[];
  flags: string[];
  used_by: Run[];
  messages: string[];
  may_abort: boolean;
}

export interface Exports {
  accounts: Account[];
  services: string[];
  directories: number;
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
  used_by: Run[];
  may_delete: boolean;
  is_drained: boolean;
}

export interface Collectors {
  accounts: Account[];
  total: number;
  rows: Collector[];
}

export interface Landing {
  id: string;
  address: string;
  system: string | null;
  scope: string | null;
  export_id: string | null;
  collector_id: string | null;
  query: string | null;
  topics: string[];
  window: TimeWindow | null;
  file_format: string;
  results: number;
  exported: number | null;
  estimated_total: number | null;
  bytes: number;
  parts: number;
  duplicates_dropped: number;
  foreign_dropped: number;
  requests: number | null;
  gaps: number | null;
  created_at: string;
  flags: string[];
  used_by: Run[];
}

export interface Landings extends Aged {
  directories: string[];
  problems: string[];
  total: number;
  rows: Landing[];
  selected: Landing | null;
}

export interface Part {
  name: string;
  results: number;
  bytes: number;
  sha256: string;
  coercion_failures: Record<string, number>;
}

export interface Parts {
  total: number;
  rows: Part[];
}

export interface DailyCredits extends Aged {
  conn_id: string;
  credits: Credits | null;
  days: { day: string; used: number }[];
}

export interface UsageDay {
  day: string;
  product: string;
  requests: number;
  posts: number;
}

export interface Usage extends Aged {
  conn_id: string;
  service: string;
  month: string | null;
  used: Record<string, number>;
  days: UsageDay[];
}

export interface Spending {
  credits: DailyCredits[];
  usage: Usage[];
}

export interface Series {
  scope: string;
  topic: string;
  query: string;
  first: string;
  states: string;
  results: number[];
  bought_twice: number[];
  counts: Record<string, number>;
}

export interface Coverage extends Aged {
  directories: string[];
  series: Series[];
}
